# RoadObstacle21 of SegmentMeIfYouCan, validation, 30 images. docs/data.md says how to obtain it.
benchmark = dict(
    protocol="road_obstacle_21",
    dataset=dict(
        type="mmosr.RoadObstacle21Dataset", data_root="data/road_obstacle_21", split="validation"
    ),
)
