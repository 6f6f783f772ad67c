# iSUN, resized to 32 x 32: ODIN's archive, whose images stay unchanged, or
# whole images.
unknown_images = dict(
    type="mmosr.UnknownImages",
    data_root="data/ood/iSUN",
    with_label=False,
    pipeline=[
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(32, 32), backend="pillow"),
        dict(type="PackInputs"),
    ],
)
