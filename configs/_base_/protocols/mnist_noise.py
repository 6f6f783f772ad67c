_base_ = "../datasets/mnist.py"
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known=_base_.test_dataloader.dataset,
        unknown=dict(
            type="mmosr.NoiseImages", size=(28, 28), channels=1, pipeline=_base_.test_pipeline
        ),
        ratio=1.0,
    )
)
