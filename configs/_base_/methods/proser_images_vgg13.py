# PROSER on VGG-13, mixed after the third of five stages.
_base_ = "./proser_images.py"
method = dict(model=dict(mix_at="stages.2"))
