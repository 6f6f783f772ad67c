# CAC on top of the softmax config of any network. On pixels the fixed anchors detect better than the
# re-estimated ones of the paper: both are reported.
method = dict(
    model=dict(
        score=["cac", "cac_reestimated"],
        decode_head=dict(
            type="mmosr.CACHead",
            classifier=dict(test_anchors="fixed"),
            loss_decode=dict(_delete_=True, type="mmosr.CACLoss"),
        ),
    ),
    custom_hooks=[dict(type="mmosr.StepSeedHook"), dict(type="mmosr.FitHook")],
)
