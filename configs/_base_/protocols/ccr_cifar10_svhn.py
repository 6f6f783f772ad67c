_base_ = "../datasets/cifar10.py"
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known=_base_.test_dataloader.dataset,
        unknown=dict(
            type="mmosr.UnknownImages",
            host="SVHN",
            data_root="data/svhn",
            pipeline=[dict(type="mmosr.ReverseChannels"), dict(type="PackInputs")],
        ),
    )
)
