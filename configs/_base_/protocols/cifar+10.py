_base_ = ["../datasets/cifar10.py", "../datasets/unknown_cifar100.py"]
split = dict(class_split="protocol_a/cifar+10", trial=0)
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known=dict(_base_.test_dataloader.dataset, **split),
        unknown=dict(_base_.unknown_images, **split),
    )
)
