_base_ = "./softmax_wrn16-4_cifar10-6-4.py"
model = dict(
    score=["doc", "one_vs_rest"],
    head=dict(
        type="mmosr.OpenSetClsHead",
        classifier=dict(type="mmosr.LinearClassifier"),
        loss=dict(type="mmosr.MOvRLoss", margin=0, scale=None),
    ),
)
