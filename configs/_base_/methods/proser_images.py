# PROSER on top of the softmax config of any network, from scratch, on the terms of the other methods;
# docs/proser.md says how to fine-tune. The network gives model.mix_at, where images are mixed.
method = dict(
    model=dict(
        type="mmosr.PROSER",
        score=["proser", "proser_margin", "msp"],
        head=dict(type="mmosr.PROSERClsHead"),
    )
)
