# DOC, one-vs-rest without margin, on top of the softmax config of any network.
method = dict(
    model=dict(
        score=["doc", "one_vs_rest"],
        head=dict(
            type="mmosr.OpenSetClsHead",
            classifier=dict(type="mmosr.LinearClassifier"),
            loss=dict(type="mmosr.MOvRLoss", margin=0, scale=None),
        ),
    )
)
