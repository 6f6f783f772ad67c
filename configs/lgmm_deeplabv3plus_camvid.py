# Normalisation and first score were chosen with ..._camvid-carsign.py: see docs/results.md.
_base_ = "./softmax_deeplabv3plus_camvid.py"
model = dict(
    score=["centred_energy", "likelihood_ratio", "likelihood"],
    decode_head=dict(
        type="mmosr.LGMMHead",
        host="DepthwiseSeparableASPPHead",
        classifier=dict(normalization="batch"),
    ),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
