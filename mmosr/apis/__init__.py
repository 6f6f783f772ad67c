"""Use of trained models from Python: loading, inference and export."""

from mmosr.config.loading import load_config

from .export import ExportReport, ExportSettings, export_heatmaps
from .export_files import describe_run
from .image_inference import ImageAnomalyResult, ImageInferencer
from .image_list import find_images
from .inference import AnomalyInferencer, AnomalyResult
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
