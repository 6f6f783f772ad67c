# m-OvR on top of the softmax config of any network, without the rotated images.
method = dict(model=dict(score=["movr", "max_cosine"], head=dict(type="mmosr.MOvRClsHead")))
