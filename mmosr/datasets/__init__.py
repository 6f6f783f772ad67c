"""Datasets: known/unknown splits of pixels and images, benchmarks, CamVid, demo scenes."""

from mmosr.utils.lazy import attach

# Lazy, because the scenes are drawn by processes that need neither torch nor a host.
__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "anomaly_dataset": ["AnomalySegDataset"],
        "bdd_anomaly": ["BDDAnomalyDataset"],
        "class_splits": ["ClassSplit", "load_split", "num_trials", "split_names"],
        "demo.scenes": ["DEMO_CLASS_IDS", "draw_scene", "write_demo_scenes"],
        "fishyscapes": ["FishyscapesLostAndFoundDataset", "FishyscapesStaticDataset"],
        "held_out": ["HeldOutClasses", "held_out_class", "held_out_dataset"],
        "lost_and_found": ["LostAndFoundDataset"],
        "open_set_classification": ["KnownUnknownClasses", "open_set_classification_dataset"],
        "open_set_dataset": [
            "CamVidDataset",
            "OpenSetADE20KDataset",
            "OpenSetCityscapesDataset",
            "OpenSetSegDataset",
        ],
        "paste_outliers": ["PasteOutliers"],
        "road_anomaly": ["RoadAnomalyDataset"],
        "seeded_draws": ["SeedDraw", "SeededInfiniteSampler"],
        "segment_me_if_you_can": ["RoadAnomaly21Dataset", "RoadObstacle21Dataset"],
        "street_hazards": ["StreetHazardsDataset"],
        "svhn": ["SVHN"],
        "synthetic_images": [
            "NoiseImages",
            "RepeatChannels",
            "ReverseChannels",
            "SeededCrop",
            "SuperimposeOnNoise",
        ],
        "transforms": ["LoadOpenSetAnnotations"],
        "unknown_images": ["AllUnknown", "OpenSetTestData"],
    },
)
