_base_ = "./softmax_deeplabv3plus_demo.py"
model = dict(
    score=["likelihood_ratio", "likelihood"],
    decode_head=dict(
        type="mmosr.LGMMHead", host="DepthwiseSeparableASPPHead", classifier=dict(embed_dims=64)
    ),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
