_base_ = "./softmax_osrcinet_cifar10-6-4_short.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    head=dict(type="mmosr.LGMMClsHead"),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
