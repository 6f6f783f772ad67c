# Shared by the data of all image protocols. Training uses 90 % of the known training images,
# validation the others, for thresholds. Every image reaches the model as BGR, as loaded from files.
share = dict(type="mmosr.OpenSetClassificationDataset", val_fraction=0.1)
train_dataloader = dict(
    batch_size=128,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="mmosr.SeededInfiniteSampler", shuffle=True),
    dataset=dict(role="train", **share),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="val", **share),
)
test_dataloader = dict(
    batch_size=250,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="test", **share),
)
val_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
