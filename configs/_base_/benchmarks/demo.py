# The test scenes of the embedded set, each with unknown objects. Draw them with
# python tools/dataset_converters/make_demo_scenes.py data/demo_scenes
benchmark = dict(
    protocol="demo",
    dataset=dict(
        type="mmosr.OpenSetCityscapesDataset",
        data_root="data/demo_scenes",
        data_prefix=dict(img_path="leftImg8bit/test", seg_map_path="gtFine/test"),
        # Not drawn; the others are the nine known classes of configs/*_demo.py.
        ignored_classes=(
            "wall",
            "fence",
            "terrain",
            "person",
            "rider",
            "truck",
            "bus",
            "train",
            "motorcycle",
            "bicycle",
        ),
        mark_unknown=True,
    ),
)
