# L-GMM on top of the softmax config of any network.
method = dict(
    model=dict(
        score=["likelihood", "likelihood_ratio"],
        decode_head=dict(type="mmosr.LGMMHead"),
    ),
    optim_wrapper=dict(constructor="mmosr.MixtureOptimWrapperConstructor"),
)
