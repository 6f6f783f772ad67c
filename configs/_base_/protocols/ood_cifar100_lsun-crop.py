_base_ = ["../datasets/cifar100.py", "../datasets/unknown_lsun-crop.py"]
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known=_base_.test_dataloader.dataset,
        unknown=_base_.unknown_images,
    )
)
