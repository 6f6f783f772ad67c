"""Datasets: known/unknown splits, anomaly benchmarks, CamVid, embedded demo scenes."""

from .anomaly_dataset import AnomalySegDataset
from .bdd_anomaly import BDDAnomalyDataset
from .demo_scenes import DEMO_CLASS_IDS, draw_scene, write_demo_scenes
from .fishyscapes import FishyscapesLostAndFoundDataset, FishyscapesStaticDataset
from .held_out import HeldOutClasses, held_out_class, held_out_dataset
from .lost_and_found import LostAndFoundDataset
from .open_set_dataset import (
    CamVidDataset,
    OpenSetADE20KDataset,
    OpenSetCityscapesDataset,
    OpenSetSegDataset,
)
from .road_anomaly import RoadAnomalyDataset
from .seeded_draws import SeedDraw, SeededInfiniteSampler
from .segment_me_if_you_can import RoadAnomaly21Dataset, RoadObstacle21Dataset
from .street_hazards import StreetHazardsDataset
from .transforms import LoadOpenSetAnnotations

__all__ = [
    "DEMO_CLASS_IDS",
    "AnomalySegDataset",
    "BDDAnomalyDataset",
    "CamVidDataset",
    "FishyscapesLostAndFoundDataset",
    "FishyscapesStaticDataset",
    "HeldOutClasses",
    "LoadOpenSetAnnotations",
    "LostAndFoundDataset",
    "OpenSetADE20KDataset",
    "OpenSetCityscapesDataset",
    "OpenSetSegDataset",
    "RoadAnomaly21Dataset",
    "RoadAnomalyDataset",
    "RoadObstacle21Dataset",
    "SeedDraw",
    "SeededInfiniteSampler",
    "StreetHazardsDataset",
    "draw_scene",
    "held_out_class",
    "held_out_dataset",
    "write_demo_scenes",
]
