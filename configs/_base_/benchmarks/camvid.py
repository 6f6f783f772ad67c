# CamVid, test, 233 images: pedestrian and bicyclist are unknown, as in configs/*_camvid.py.
# docs/data.md says how to obtain it.
benchmark = dict(
    protocol="camvid",
    dataset=dict(
        type="mmosr.CamVidDataset",
        data_root="data/camvid",
        data_prefix=dict(img_path="images/test", seg_map_path="labels/test"),
        unknown_classes=("pedestrian", "bicyclist"),
        mark_unknown=True,
    ),
)
