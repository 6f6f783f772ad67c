# BDD-Anomaly, test, 810 images: train, motorcycle and bicycle are unknown. docs/data.md says how to
# obtain it.
benchmark = dict(
    protocol="bdd_anomaly",
    dataset=dict(
        type="mmosr.BDDAnomalyDataset",
        data_root="data/bdd_anomaly",
        split="test",
        unknown_classes=("train", "motorcycle", "bicycle"),
    ),
)
