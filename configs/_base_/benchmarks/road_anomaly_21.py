# RoadAnomaly21 of SegmentMeIfYouCan, validation, 10 images. docs/data.md says how to obtain it.
benchmark = dict(
    protocol="road_anomaly_21",
    dataset=dict(
        type="mmosr.RoadAnomaly21Dataset", data_root="data/road_anomaly_21", split="validation"
    ),
)
