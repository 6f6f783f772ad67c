# L-GMM with synthetic outliers: objects of random shapes and textures are pasted into the training
# scenes, and a further mixture learns their density. Score: the likelihood ratio of outlier to
# known.
_base_ = "./lgmm_deeplabv3plus_demo.py"
model = dict(
    score=[
        "outlier_ratio",
        dict(type="outlier_ratio", name="outlier_ratio_smooth", smoothing=True),
        "likelihood",
        "likelihood_ratio",
    ],
    decode_head=dict(classifier=dict(outlier_components=6)),
)
train_pipeline = _base_.train_pipeline
# After cropping and flipping, before the colours of the whole picture change.
train_pipeline.insert(5, dict(type="mmosr.PasteOutliers", prob=0.95))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
# The weights were trained with outliers for long: a small learning rate keeps what they know.
optim_wrapper = dict(optimizer=dict(lr=0.0001))
load_from = "mmosr://lgmm-outliers_deeplabv3plus_demo"
