_base_ = "../datasets/mnist.py"
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known=_base_.test_dataloader.dataset,
        unknown=dict(
            type="mmosr.UnknownImages",
            host="MNIST",
            data_root="data/mnist",
            pipeline=[dict(type="mmosr.SuperimposeOnNoise"), *_base_.test_pipeline],
        ),
        ratio=1.0,
    )
)
