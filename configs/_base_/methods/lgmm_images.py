# L-GMM on top of the softmax config of any network.
method = dict(
    model=dict(
        score=["likelihood_ratio", "centred_energy", "likelihood"],
        head=dict(type="mmosr.LGMMClsHead"),
    ),
    optim_wrapper=dict(constructor="mmosr.MixtureOptimWrapperConstructor"),
)
