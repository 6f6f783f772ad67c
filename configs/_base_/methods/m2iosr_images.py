# M2IOSR on top of the softmax config of the VGG-13 of CROSR. The paper's values of the weights are
# not known; these were chosen on validation data of other classes, with discriminators that learn
# 10 times as fast as the encoder. See docs/m2iosr.md.
method = dict(
    model=dict(
        type="mmosr.M2IOSR",
        information=dict(
            global_weight=0.05,  # beta_1
            local_weight=0.1,  # beta_2
            scale_weights=(0.5, 0.25, 0.25),  # a_1, a_2, a_3
        ),
        kl_weight=0.01,  # gamma
    ),
    optim_wrapper=dict(paramwise_cfg=dict(custom_keys={"information": dict(lr_mult=10)})),
    # Each of the two phases uses only some of the parameters.
    model_wrapper_cfg=dict(type="mmosr.TwoPhaseDistributedDataParallel", broadcast_buffers=False),
)
