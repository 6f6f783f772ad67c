_base_ = "./softmax_deeplabv3plus_cityscapes.py"
model = dict(
    score=["likelihood_ratio", "likelihood"],
    decode_head=dict(type="mmosr.LGMMHead", host="DepthwiseSeparableASPPHead"),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
