_base_ = "./softmax_deeplabv3plus_ade20k.py"
model = dict(
    score=["likelihood", "likelihood_ratio"],
    decode_head=dict(type="mmosr.LGMMHead", host="DepthwiseSeparableASPPHead"),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
