_base_ = "./softmax_swin-s_imagenet1k.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    head=dict(type="mmosr.LGMMClsHead"),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
