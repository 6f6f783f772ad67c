# PROSER on top of the softmax config of any network, from scratch, on the same terms as the others;
# docs/proser.md says how to fine-tune. model.mix_at, where images are mixed, depends on the network.
method = dict(
    model=dict(
        type="mmosr.PROSER",
        score=["proser", "proser_margin", "msp"],
        head=dict(type="mmosr.PROSERClsHead"),
    )
)
