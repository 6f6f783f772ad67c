_base_ = "./softmax_segformer_camvid.py"
model = dict(
    score=["movr", "max_cosine"],
    decode_head=dict(
        type="mmosr.MOvRHead",
        host="SegformerHead",
        loss_decode=dict(_delete_=True, type="mmosr.MOvRLoss", margin=0.5),
    ),
)
