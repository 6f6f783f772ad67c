_base_ = "../datasets/cifar10.py"
split = dict(class_split="animals_vehicles/cifar10", trial=0)
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = dict(dataset=split)
