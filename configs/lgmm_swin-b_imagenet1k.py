_base_ = "./softmax_swin-b_imagenet1k.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    head=dict(type="mmosr.LGMMClsHead"),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
