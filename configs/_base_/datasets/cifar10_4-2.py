# For choosing settings without looking at the unknown classes of a protocol: of the six known
# classes of CIFAR-10 6/4, trial 0, four are known here and two unknown, all on training images.
_base_ = "./cifar10.py"
split = dict(known_classes=["airplane", "bird", "deer", "truck"], unknown_classes=[])
train_dataloader = dict(dataset=split)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known={**_base_.val_dataloader.dataset, **split},
        unknown=dict(
            type="mmosr.UnknownImages",
            unknown_classes=["automobile", "dog"],
            pipeline=_base_.val_dataloader.dataset.pipeline,
            **_base_.cifar10_images.train,
        ),
        ratio=1,
    )
)
test_dataloader = val_dataloader
