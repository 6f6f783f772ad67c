# L-GMM on normalised features, for networks with random initial weights. The normalisation was
# chosen with DeepLabV3+ on camvid-carsign (docs/results.md), not again for other networks.
_base_ = "./lgmm_pixels.py"
method = dict(
    model=dict(
        score=["likelihood_ratio", "centred_energy", "likelihood"],
        decode_head=dict(classifier=dict(normalization="batch")),
    )
)
