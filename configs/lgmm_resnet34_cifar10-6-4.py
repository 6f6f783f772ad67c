_base_ = "./softmax_resnet34_cifar10-6-4.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    head=dict(type="mmosr.LGMMClsHead"),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
