_base_ = "./cifar+10.py"
split = dict(class_split="cac_ccr/cifar100")
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = dict(dataset=dict(known=split, unknown=split))
