# mmsegmentation's schedule of 160k iterations, the length that the L-GMM paper states for ADE20K
# (D.2). The learning rate is the host's too: see sgd_80k.py.
_base_ = "./sgd_80k.py"
param_scheduler = [
    dict(type="PolyLR", eta_min=1e-4, power=0.9, begin=0, end=160000, by_epoch=False)
]
train_cfg = dict(max_iters=160000, val_interval=16000)
