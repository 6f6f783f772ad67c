"""Datasets: known/unknown splits, CamVid, embedded demo scenes."""

from .demo_scenes import DEMO_CLASS_IDS, draw_scene, write_demo_scenes
from .open_set_dataset import (
    CamVidDataset,
    OpenSetADE20KDataset,
    OpenSetCityscapesDataset,
    OpenSetSegDataset,
)
from .seeded_draws import SeedDraw, SeededInfiniteSampler
from .transforms import LoadOpenSetAnnotations

__all__ = [
    "DEMO_CLASS_IDS",
    "CamVidDataset",
    "LoadOpenSetAnnotations",
    "OpenSetADE20KDataset",
    "OpenSetCityscapesDataset",
    "OpenSetSegDataset",
    "SeedDraw",
    "SeededInfiniteSampler",
    "draw_scene",
    "write_demo_scenes",
]
