# CAC, with the score of the fixed anchors too.
_base_ = "./cac_images.py"
method = dict(model=dict(score=["cac", "cac_fixed"]))
