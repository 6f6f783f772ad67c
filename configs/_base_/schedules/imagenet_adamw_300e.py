# mmpretrain's schedule for Swin on ImageNet, which L-GMM uses (appendix B.2): 300 epochs of 1252
# iterations, for batches of 1024 on all GPUs together, 20 of them warm-up. The 0.0005 of L-GMM is
# the rate for 512 images; it says polynomial decay where its code base has a cosine.
_base_ = "mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py"
optim_wrapper = dict(type="OptimWrapper", clip_grad=dict(max_norm=5.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, begin=0, end=25040, by_epoch=False),
    dict(type="CosineAnnealingLR", begin=25040, end=375600, eta_min=1e-5, by_epoch=False),
]
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=375600, val_interval=12520)
