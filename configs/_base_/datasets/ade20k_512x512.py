# ADE20K, 150 classes, crop 512. To hold classes out, set unknown_classes of all three data sets and
# num_classes of the model's heads. docs/data.md says how to obtain the data.
data_root = "data/ade/ADEChallengeData2016/"
crop_size = (512, 512)
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    dict(type="LoadImageFromFile"),
    dict(type="mmosr.LoadOpenSetAnnotations"),
    dict(type="RandomResize", scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(2048, 512), keep_ratio=True),
    dict(type="mmosr.LoadOpenSetAnnotations"),  # after Resize: labels keep their full size
    dict(type="PackSegInputs"),
]
tta_ratios = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]  # mmsegmentation's
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=(int(2048 * ratio), int(512 * ratio)), keep_ratio=True)
                for ratio in tta_ratios
            ],
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
    batch_size=2,  # x 8 GPUs = 16, the total batch of the L-GMM paper (D.2)
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmosr.SeededInfiniteSampler", shuffle=True),
    dataset=dict(
        type="mmosr.OpenSetADE20KDataset",
        data_root=data_root,
        data_prefix=dict(img_path="images/training", seg_map_path="annotations/training"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmosr.OpenSetADE20KDataset",
        data_root=data_root,
        data_prefix=dict(img_path="images/validation", seg_map_path="annotations/validation"),
        mark_unknown=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="mmosr.OpenSetMetric")
test_evaluator = val_evaluator
