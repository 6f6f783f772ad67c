_base_ = "./softmax_segformer_demo.py"
model = dict(
    score=["likelihood", "likelihood_ratio"],
    decode_head=dict(
        type="mmosr.LGMMHead",
        host="SegformerHead",
        classifier=dict(embed_dims=64),
    ),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
