_base_ = "../datasets/mnist.py"
split = dict(class_split="protocol_a/mnist", trial=0)
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = dict(dataset=split)
