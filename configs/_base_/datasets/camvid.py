# CamVid, 480 x 360, with pedestrian and bicyclist unknown: ignored in training and validation,
# unknown in the test. docs/data.md says how to obtain the data.
data_root = "data/camvid/"
unknown_classes = ("pedestrian", "bicyclist")
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    dict(type="LoadImageFromFile"),
    dict(type="mmosr.LoadOpenSetAnnotations"),
    dict(type="RandomResize", scale=(480, 360), ratio_range=(0.5, 1.5), keep_ratio=True),
    dict(type="RandomCrop", crop_size=(224, 224), cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmosr.LoadOpenSetAnnotations"),
    dict(type="PackSegInputs"),
]
tta_ratios = [0.75, 1.0, 1.25, 1.5]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale_factor=ratio, keep_ratio=True) for ratio in tta_ratios],
            [
                dict(type="RandomFlip", prob=0.0, direction="horizontal"),
                dict(type="RandomFlip", prob=1.0, direction="horizontal"),
            ],
            # Last: labels keep their full size and are not flipped, since the views' maps are
            # averaged in the geometry of the image.
            [dict(type="mmosr.LoadOpenSetAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmosr.SeededInfiniteSampler", shuffle=True),
    dataset=dict(
        type="mmosr.CamVidDataset",
        data_root=data_root,
        data_prefix=dict(img_path="images/train", seg_map_path="labels/train"),
        unknown_classes=unknown_classes,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmosr.CamVidDataset",
        data_root=data_root,
        data_prefix=dict(img_path="images/val", seg_map_path="labels/val"),
        unknown_classes=unknown_classes,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmosr.CamVidDataset",
        data_root=data_root,
        data_prefix=dict(img_path="images/test", seg_map_path="labels/test"),
        unknown_classes=unknown_classes,
        mark_unknown=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type="mmosr.OpenSetMetric")
test_evaluator = dict(type="mmosr.OpenSetMetric")
