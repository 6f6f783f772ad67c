_base_ = "./softmax_deeplabv3plus_camvid-carsign.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    decode_head=dict(
        type="mmosr.LGMMHead",
        host="DepthwiseSeparableASPPHead",
        classifier=dict(normalization="batch"),
    ),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
