# ODIN calls its TinyImageNet set Imagenet; CROSR and those after it take it as ImageNet-resize.
_base_ = ["../datasets/cifar10.py", "../datasets/unknown_tinyimagenet-resize.py"]
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known=_base_.test_dataloader.dataset,
        unknown=_base_.unknown_images,
        ratio=1.0,
    )
)
