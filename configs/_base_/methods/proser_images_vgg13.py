# PROSER on VGG-13, mixed behind the third of five stages.
_base_ = "./proser_images.py"
method = dict(model=dict(mix_at="stages.2"))
