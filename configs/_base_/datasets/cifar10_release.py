# CIFAR-10 with the known classes of the published CAC weights: the test, and the training images
# that statistics are fitted on. Mean, standard deviation and trial are those of the weights.
# docs/image_data.md says how to obtain the data.
test_pipeline = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
release_data = dict(
    type="mmosr.OpenSetClassificationDataset",
    data_root="data/cifar10_jpeg",
    class_split="cac_release/cifar10",
    pipeline=test_pipeline,
)
fit_dataloader = dict(dataset=dict(role="train", data_prefix="train", **release_data))
test_dataloader = dict(
    batch_size=128,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="test", data_prefix="test", **release_data),
)
test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
test_cfg = dict()
