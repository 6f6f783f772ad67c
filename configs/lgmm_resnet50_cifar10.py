_base_ = "./softmax_resnet50_cifar10.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    head=dict(type="mmosr.LGMMClsHead"),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
