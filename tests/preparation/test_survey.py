"""What the files of a data set hold."""

from collections import Counter

import numpy as np
from mmengine.registry import DATASETS

from mmosr.preparation import check_data_set
from mmosr.preparation.survey import missing_counterparts, survey, unused_files

from .downloads import SIZE, write_label, write_picture

PIXELS = SIZE[0] * SIZE[1]


class TestSurvey:
    def test_pixels_are_those_of_numpy(self, tmp_path):
        generator = np.random.default_rng(0)
        values, items, all_labels = {0: 0, 7: 1, 9: 254, 200: 255, 255: 255}, [], []
        for index in range(3):
            image, label = tmp_path / f"{index}.png", tmp_path / f"{index}_label.png"
            write_picture(image, index)
            numbers = generator.choice([0, 7, 9, 200, 255, 33], PIXELS).tolist()
            all_labels.append(write_label(label, numbers))
            items.append(dict(img_path=str(image), seg_map_path=str(label), label_values=values))
        found = survey(items, 2)
        numbers, counts = np.unique(all_labels, return_counts=True)
        assert found.pixels == Counter(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
        stack = np.array(all_labels)
        assert found.count(254) == (stack == 9).sum()
        assert found.count(255) == (stack >= 200).sum()
        assert found.count() == (stack == 0).sum() + (stack == 7).sum()
        assert found.wrong == {item["seg_map_path"]: [33] for item in items}

    def test_host_without_label_values(self, tmp_path):
        config = tmp_path / "mine.py"
        config.write_text(
            "benchmark = dict(dataset=dict(type='BaseSegDataset', img_suffix='.png', "
            "metainfo=dict(classes=('x', 'y')), "
            "data_prefix=dict(img_path='img', seg_map_path='ann')))"
        )
        write_picture(tmp_path / "data/img/a.png")
        write_label(tmp_path / "data/ann/a.png", [0, 1, 2, 254, 255])
        report = check_data_set("mine", tmp_path / "data", config)
        assert [row[:2] for row in report.values] == [
            ("0", "known: x"),
            ("1", "known: y"),
            ("2", "not allowed"),
            ("254", "unknown"),
            ("255", "ignored"),
        ]

    def test_counterparts_of_a_list(self, tmp_path, mmseg_scope):
        root = tmp_path
        for name in ("a", "b", "c"):
            write_picture(root / "img" / f"{name}.png")
        for name in ("b", "d"):
            write_label(root / "ann" / f"{name}.png", [0])
        config = dict(
            type="BaseSegDataset",
            data_root=str(root),
            img_suffix=".png",
            data_prefix=dict(img_path="img", seg_map_path="ann"),
            lazy_init=True,
        )
        names = {"img": "d", "ann": "ac"}
        assert missing_counterparts(DATASETS.build(config)) == [
            str(root / folder / f"{name}.png") for folder in names for name in names[folder]
        ]
        (root / "list.txt").write_text("a\nb\ne\n")
        listed = missing_counterparts(DATASETS.build({**config, "ann_file": "list.txt"}))
        assert listed == [str(root / path) for path in ("img/e.png", "ann/a.png", "ann/e.png")]

    def test_unused_files(self, tmp_path):
        for name in ("b.txt", "a/c.txt", "a/d.txt", ".git/x", "a/.y"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("")
        assert unused_files(tmp_path, [f"{tmp_path}/a/../a/d.txt"]) == ["a/c.txt", "b.txt"]
