_base_ = ["../datasets/cifar10.py", "../datasets/unknown_lsun-resize.py"]
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known=_base_.test_dataloader.dataset,
        unknown=_base_.unknown_images,
        ratio=1.0,
    )
)
