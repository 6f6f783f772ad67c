_base_ = "../datasets/tinyimagenet.py"
split = dict(class_split="protocol_a/tinyimagenet", trial=0)
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = dict(dataset=split)
