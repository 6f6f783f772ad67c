# M2IOSR for a full training. The paper's schedule is not known: optimiser as in docs/m2iosr.md,
# length and decay of m-OvR.
_base_ = "./m2iosr_images.py"
method = dict(optim_wrapper=dict(optimizer=dict(lr=0.05, weight_decay=5e-4)))
