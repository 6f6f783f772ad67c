# The paper's margin is 0.5; other margins: model.decode_head.loss_decode.margin.
_base_ = "./softmax_deeplabv3plus_camvid-carsign.py"
model = dict(
    score=["movr", "max_cosine"],
    decode_head=dict(
        type="mmosr.MOvRHead",
        host="DepthwiseSeparableASPPHead",
        loss_decode=dict(_delete_=True, type="mmosr.MOvRLoss", margin=0.5),
    ),
)
