# Known data only; for training with outliers see lgmm-outliers_deeplabv3plus_demo.py. The first score
# and the treatment of borders were chosen on validation scenes with other unknown objects, see
# docs/quickstart.md.
_base_ = "./softmax_deeplabv3plus_demo.py"
borders = dict(boundary_suppression=True, smoothing=True)
model = dict(
    score=[
        dict(type="feature_likelihood", name="feature_likelihood_smooth", **borders),
        dict(type="likelihood", name="likelihood_smooth", **borders),
        "likelihood",
        "likelihood_ratio",
    ],
    decode_head=dict(
        type="mmosr.LGMMHead",
        host="DepthwiseSeparableASPPHead",
        classifier=dict(embed_dims=64, temperature=2.0, init_mean_std=0.5),
    ),
)
optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")
custom_hooks = [dict(type="mmosr.StepSeedHook"), dict(type="mmosr.FitHook")]
