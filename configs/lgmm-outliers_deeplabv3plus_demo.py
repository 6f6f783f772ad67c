# L-GMM with synthetic outliers: objects of random shapes and textures are pasted into the training
# scenes, and a further mixture learns their density. Score: the likelihood ratio of outlier and
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
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="mmosr.SeedDraw"),
            dict(type="LoadImageFromFile"),
            dict(type="mmosr.LoadOpenSetAnnotations"),
            dict(type="RandomCrop", crop_size=(96, 160)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="mmosr.PasteOutliers", prob=0.95),
            dict(
                type="PhotoMetricDistortion",
                brightness_delta=24,
                contrast_range=(0.75, 1.25),
                saturation_range=(0.8, 1.2),
                hue_delta=6,
            ),
            dict(type="PackSegInputs"),
        ]
    )
)
# The weights have seen outliers for long: a small rate keeps what they know.
optim_wrapper = dict(optimizer=dict(lr=0.0001))
load_from = "mmosr://lgmm-outliers_deeplabv3plus_demo"
