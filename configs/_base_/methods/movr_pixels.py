# m-OvR on top of the softmax config of any network, with the paper's margin. Other margins:
# model.decode_head.loss_decode.margin.
method = dict(
    model=dict(
        score=["movr", "max_cosine"],
        decode_head=dict(
            type="mmosr.MOvRHead",
            loss_decode=dict(_delete_=True, type="mmosr.MOvRLoss", margin=0.5),
        ),
    )
)
