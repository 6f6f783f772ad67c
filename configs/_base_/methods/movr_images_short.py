# m-OvR for a short training, without the rotated images, which double the time of a step.
_base_ = "./movr_images.py"
method = dict(model=dict(head=dict(loss=dict(type="mmosr.MOvRLoss", margin=0.15))))
