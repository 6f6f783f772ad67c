"""Drawing of anomaly scores."""

from .curve_plots import draw_precision_recall, draw_roc
from .figure_parts import write_figure
from .frames import Frame, draw_frames
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
from .histogram_plot import draw_score_histogram
from .pictures import ImageItem, common_folder, draw_pictures, maps_range, name_images
from .score_range import score_range

__all__ = [
    "DEFAULT_CMAP",
    "Frame",
    "HeatmapStyle",
    "ImageItem",
    "add_color_bar",
    "check_range",
    "common_folder",
    "draw_frames",
    "draw_heatmap",
    "draw_labels",
    "draw_overlay",
    "draw_pictures",
    "draw_precision_recall",
    "draw_roc",
    "draw_score_histogram",
    "get_cmap",
    "maps_range",
    "name_images",
    "score_range",
    "write_figure",
]
