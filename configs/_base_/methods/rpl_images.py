# RPL on top of the softmax config of any network.
method = dict(model=dict(score=["rpl", "msp"], head=dict(type="mmosr.RPLClsHead")))
