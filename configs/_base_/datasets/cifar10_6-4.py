# CIFAR-10 as image files, six classes known and four unknown: trial 0 of protocol A, another with
# dataset.trial in all three loaders, which tools/run_protocol.py sets. Training shows 90 % of the
# known training images, with the weak augmentation of the papers; validation the others, for
# thresholds. docs/image_data.md says how to obtain the data.
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    dict(type="LoadImageFromFile"),
    dict(type="RandomCrop", crop_size=32, padding=4),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackInputs"),
]
test_pipeline = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
split_data = dict(
    type="mmosr.OpenSetClassificationDataset",
    data_root="data/cifar10_jpeg",
    class_split="protocol_a/cifar10",
    trial=0,
    val_fraction=0.1,
)
train_dataloader = dict(
    batch_size=128,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmosr.SeededInfiniteSampler", shuffle=True),
    dataset=dict(role="train", data_prefix="train", pipeline=train_pipeline, **split_data),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="val", data_prefix="train", pipeline=test_pipeline, **split_data),
)
test_dataloader = dict(
    batch_size=250,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="test", data_prefix="test", pipeline=test_pipeline, **split_data),
)
val_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
