# Fishyscapes Static, validation, 30 images, version 3 (the last). docs/data.md says how to obtain
# it.
benchmark = dict(
    protocol="fishyscapes_static",
    dataset=dict(
        type="mmosr.FishyscapesStaticDataset", data_root="data/fishyscapes_static", version=3
    ),
)
