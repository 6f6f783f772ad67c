# Known data only; for training with outliers see lgmm-outliers_deeplabv3plus_demo.py. The first score
# and the treatment of borders were chosen on validation scenes with other unknown objects: see
# docs/quickstart.md.
_base_ = ["./softmax_deeplabv3plus_demo.py", "./_base_/methods/lgmm_pixels.py"]
globals().update(_base_.pop("method"))
borders = dict(boundary_suppression=True, smoothing=True)
model.score = [
    dict(type="feature_likelihood", name="feature_likelihood_smooth", **borders),
    dict(type="likelihood", name="likelihood_smooth", **borders),
    *model.score,
]
model.decode_head.host = _base_.model.decode_head.type
model.decode_head.classifier = dict(embed_dims=64, temperature=2.0, init_mean_std=0.5)
custom_hooks = [*_base_.custom_hooks, dict(type="mmosr.FitHook")]
