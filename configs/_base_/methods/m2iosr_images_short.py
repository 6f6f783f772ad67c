# M2IOSR with narrower discriminators, which take most of the time of a step.
_base_ = "./m2iosr_images.py"
method = dict(model=dict(information=dict(hidden=128)))
