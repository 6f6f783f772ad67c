# m-OvR with the head that predicts rotations.
_base_ = "./movr_images.py"
method = dict(model=dict(rotation_head=dict(type="mmosr.RotationHead")))
