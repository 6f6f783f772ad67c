_base_ = "./softmax_vgg13_cifar10-6-4_short.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    head=dict(type="mmosr.LGMMClsHead", classifier=dict(normalization="layer")),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
