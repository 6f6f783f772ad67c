_base_ = "./softmax_segformer_cityscapes.py"
model = dict(
    score=["likelihood", "likelihood_ratio"],
    decode_head=dict(type="mmosr.LGMMHead", host="SegformerHead"),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
