"""Drawing of anomaly scores."""

from .curve_plots import plot_precision_recall, plot_roc
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
from .histogram_plot import plot_score_histogram
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
    "get_cmap",
    "maps_range",
    "name_images",
    "plot_precision_recall",
    "plot_roc",
    "plot_score_histogram",
    "score_range",
]
