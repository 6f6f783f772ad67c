_base_ = "./softmax_wrn16-4_cifar10-6-4.py"
model = dict(
    score=["msp", "max_cosine", "energy"],
    head=dict(type="mmosr.OpenSetClsHead", classifier=dict(type="mmosr.CosineClassifier")),
)
