# LSUN test images, cut at random to 32 x 32: ODIN's archive, whose patches of that size stay
# unchanged, or whole images.
unknown_images = dict(
    type="mmosr.UnknownImages",
    data_root="data/ood/LSUN",
    with_label=False,
    pipeline=[
        dict(type="LoadImageFromFile"),
        dict(type="mmosr.SeededCrop", size=32),
        dict(type="PackInputs"),
    ],
)
