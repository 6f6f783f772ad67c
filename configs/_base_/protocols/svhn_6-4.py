_base_ = "../datasets/svhn.py"
split = dict(class_split="protocol_a/svhn", trial=0)
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = dict(dataset=split)
