# The normalisation was chosen with ..._camvid-carsign.py: see docs/results.md.
_base_ = "./softmax_deeplabv3plus_camvid.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    decode_head=dict(
        type="mmosr.LGMMHead",
        host="DepthwiseSeparableASPPHead",
        classifier=dict(normalization="batch"),
    ),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
