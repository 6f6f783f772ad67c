# RoadAnomaly, 60 images. docs/data.md says how to obtain it.
benchmark = dict(
    protocol="road_anomaly",
    dataset=dict(type="mmosr.RoadAnomalyDataset", data_root="data/road_anomaly"),
)
