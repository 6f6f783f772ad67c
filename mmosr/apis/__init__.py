"""Using trained models from Python: loading, inference and export."""

from mmosr.config.loading import load_config

from .export import ExportReport, ExportSettings, describe_run, export_heatmaps
from .image_list import find_images
from .inference import AnomalyInferencer, AnomalyResult, ImageAnomalyResult, ImageInferencer
from .loading import Loaded, init_model, load
from .score_table import ScoreTable, score_images

__all__ = [
    "AnomalyInferencer",
    "AnomalyResult",
    "ExportReport",
    "ExportSettings",
    "ImageAnomalyResult",
    "ImageInferencer",
    "Loaded",
    "ScoreTable",
    "describe_run",
    "export_heatmaps",
    "find_images",
    "init_model",
    "load",
    "load_config",
    "score_images",
]
