# Fishyscapes Lost & Found, validation, 100 images. The images come from Lost and Found, read from
# data/lost_and_found. docs/data.md says how to obtain them.
benchmark = dict(
    protocol="fishyscapes_lost_and_found",
    dataset=dict(
        type="mmosr.FishyscapesLostAndFoundDataset", data_root="data/fishyscapes_lost_and_found"
    ),
)
