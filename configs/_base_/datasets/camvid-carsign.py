# For choosing settings: car and sign are unknown on the validation images; pedestrian and
# bicyclist, the unknowns of the test, are ignored everywhere.
_base_ = "./camvid.py"
unknown_classes = ("car", "sign")
ignored_classes = ("pedestrian", "bicyclist")
train_dataloader = dict(
    dataset=dict(unknown_classes=unknown_classes, ignored_classes=ignored_classes)
)
val_dataloader = dict(
    dataset=dict(
        unknown_classes=unknown_classes, ignored_classes=ignored_classes, mark_unknown=True
    )
)
test_dataloader = dict(
    dataset=dict(
        unknown_classes=unknown_classes,
        ignored_classes=ignored_classes,
        data_prefix=dict(img_path="images/val", seg_map_path="labels/val"),
    )
)
