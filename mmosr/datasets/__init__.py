"""Datasets: known/unknown splits of pixels and images, benchmarks, CamVid, demo scenes."""

from .anomaly_dataset import AnomalySegDataset
from .bdd_anomaly import BDDAnomalyDataset
from .class_splits import ClassSplit, load_split, num_trials, split_names
from .demo.scenes import DEMO_CLASS_IDS, draw_scene, write_demo_scenes
from .fishyscapes import FishyscapesLostAndFoundDataset, FishyscapesStaticDataset
from .held_out import HeldOutClasses, held_out_class, held_out_dataset
from .lost_and_found import LostAndFoundDataset
from .open_set_classification import KnownUnknownClasses, open_set_classification_dataset
from .open_set_dataset import (
    CamVidDataset,
    OpenSetADE20KDataset,
    OpenSetCityscapesDataset,
    OpenSetSegDataset,
)
from .paste_outliers import PasteOutliers
from .road_anomaly import RoadAnomalyDataset
from .seeded_draws import SeedDraw, SeededInfiniteSampler
from .segment_me_if_you_can import RoadAnomaly21Dataset, RoadObstacle21Dataset
from .street_hazards import StreetHazardsDataset
from .svhn import SVHN
from .synthetic_images import (
    NoiseImages,
    RepeatChannels,
    ReverseChannels,
    SeededCrop,
    SuperimposeOnNoise,
)
from .transforms import LoadOpenSetAnnotations
from .unknown_images import AllUnknown, OpenSetTestData, unknown_images

__all__ = [
    "DEMO_CLASS_IDS",
    "SVHN",
    "AllUnknown",
    "AnomalySegDataset",
    "BDDAnomalyDataset",
    "CamVidDataset",
    "ClassSplit",
    "FishyscapesLostAndFoundDataset",
    "FishyscapesStaticDataset",
    "HeldOutClasses",
    "KnownUnknownClasses",
    "LoadOpenSetAnnotations",
    "LostAndFoundDataset",
    "NoiseImages",
    "OpenSetADE20KDataset",
    "OpenSetCityscapesDataset",
    "OpenSetSegDataset",
    "OpenSetTestData",
    "PasteOutliers",
    "RepeatChannels",
    "ReverseChannels",
    "RoadAnomaly21Dataset",
    "RoadAnomalyDataset",
    "RoadObstacle21Dataset",
    "SeedDraw",
    "SeededCrop",
    "SeededInfiniteSampler",
    "StreetHazardsDataset",
    "SuperimposeOnNoise",
    "draw_scene",
    "held_out_class",
    "held_out_dataset",
    "load_split",
    "num_trials",
    "open_set_classification_dataset",
    "split_names",
    "unknown_images",
    "write_demo_scenes",
]
