"""Drawing of anomaly scores."""

from .heatmap import (
    DEFAULT_CMAP,
    HeatmapStyle,
    add_color_bar,
    check_range,
    draw_heatmap,
    draw_labels,
    draw_overlay,
    get_cmap,
)
from .pictures import ImageItem, common_folder, draw_pictures, maps_range, name_images
from .score_range import score_range

__all__ = [
    "DEFAULT_CMAP",
    "HeatmapStyle",
    "ImageItem",
    "add_color_bar",
    "check_range",
    "common_folder",
    "draw_heatmap",
    "draw_labels",
    "draw_overlay",
    "draw_pictures",
    "get_cmap",
    "maps_range",
    "name_images",
    "score_range",
]
