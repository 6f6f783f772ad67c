# RPL for a short training: gamma = 1 learns slowly, see docs/baselines.md.
_base_ = "./rpl_images.py"
method = dict(model=dict(head=dict(classifier=dict(gamma=32.0))))
