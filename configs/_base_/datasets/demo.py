# The embedded street scenes, 128 x 256, in the Cityscapes layout. Draw them with
# python tools/dataset_converters/make_demo_scenes.py data/demo_scenes
data_root = "data/demo_scenes/"
ignored_classes = (
    "wall",
    "fence",
    "terrain",
    "person",
    "rider",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    dict(type="LoadImageFromFile"),
    dict(type="mmosr.LoadOpenSetAnnotations"),
    dict(type="RandomCrop", crop_size=(96, 160)),
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="PhotoMetricDistortion",
        brightness_delta=24,
        contrast_range=(0.75, 1.25),
        saturation_range=(0.8, 1.2),
        hue_delta=6,
    ),
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
dataset = dict(
    type="mmosr.OpenSetCityscapesDataset", data_root=data_root, ignored_classes=ignored_classes
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="mmosr.SeededInfiniteSampler", shuffle=True),
    dataset=dict(
        data_prefix=dict(img_path="leftImg8bit/train", seg_map_path="gtFine/train"),
        pipeline=train_pipeline,
        **dataset,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        data_prefix=dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val"),
        pipeline=test_pipeline,
        **dataset,
    ),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        data_prefix=dict(img_path="leftImg8bit/test", seg_map_path="gtFine/test"),
        mark_unknown=True,
        pipeline=test_pipeline,
        **dataset,
    ),
)
val_evaluator = dict(type="mmosr.OpenSetMetric")
test_evaluator = dict(type="mmosr.OpenSetMetric")
