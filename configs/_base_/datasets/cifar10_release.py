# CIFAR-10 with the known classes of the published CAC weights: the test, and the training images
# that statistics are fitted on. Mean, standard deviation and trial are those of the weights.
_base_ = "./cifar10_images.py"
data_preprocessor = dict(to_rgb=True)
release_data = dict(
    type="mmosr.OpenSetClassificationDataset",
    class_split="cac_release/cifar10",
    pipeline=[_base_.cifar10_images.load, dict(type="PackInputs")],
)
fit_dataloader = dict(dataset=dict(role="train", **_base_.cifar10_images.train, **release_data))
test_dataloader = dict(
    batch_size=128,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="test", **_base_.cifar10_images.test, **release_data),
)
test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
test_cfg = dict()
