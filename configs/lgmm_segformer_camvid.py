# The normalisation was chosen with DeepLabV3+ (docs/results.md), not anew for this network.
_base_ = "./softmax_segformer_camvid.py"
model = dict(
    score=["likelihood_ratio", "centred_energy", "likelihood"],
    decode_head=dict(
        type="mmosr.LGMMHead",
        host="SegformerHead",
        classifier=dict(normalization="batch"),
    ),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
