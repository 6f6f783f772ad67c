# Center loss with learnt centres (CAC, table 5), added to the cross-entropy on the logits. Its
# weight is from Wen et al. (2016), as CAC gives none; a weight of 1 diverges at this learning rate.
_base_ = "./cac_images.py"
method = dict(
    model=dict(
        head=dict(
            classifier=dict(centres="learnt"),
            loss=dict(type="mmosr.CenterLoss", loss_weight=0.003),
        )
    )
)
