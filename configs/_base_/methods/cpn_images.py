# CPN on top of the softmax config of any network.
method = dict(model=dict(score=["cpn", "msp"], head=dict(type="mmosr.CPNClsHead")))
