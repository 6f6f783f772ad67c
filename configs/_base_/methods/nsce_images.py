# Cosine classifier with cross-entropy, on top of the softmax config of any network.
method = dict(
    model=dict(
        score=["msp", "max_cosine", "energy"],
        head=dict(type="mmosr.OpenSetClsHead", classifier=dict(type="mmosr.CosineClassifier")),
    )
)
