_base_ = "./softmax_resnet18_cifar10-6-4_strong.py"
model = dict(score=["movr", "max_cosine"], head=dict(type="mmosr.MOvRClsHead"))
