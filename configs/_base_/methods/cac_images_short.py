# CAC, also with the score of the fixed anchors.
_base_ = "./cac_images.py"
method = dict(model=dict(score=["cac", "cac_fixed"]))
