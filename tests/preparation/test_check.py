"""What a check says about a folder."""

import json

import pytest

from mmosr.preparation import Request, check_data_set, make_plan, show, write_plan
from mmosr.utils import InputError

from . import downloads
from .downloads import SIZE, write_label, write_picture

PIXELS = SIZE[0] * SIZE[1]
NAMES = ("a", "b", "c")
READY = "ready: configs/_base_/benchmarks/road_anomaly.py (3 of 60 images: its figures cannot be "


@pytest.fixture
def root(tmp_path):
    """RoadAnomaly, re-packed, with ignored pixels; no pixel of the second image is unknown."""
    root = tmp_path / "data"
    for index, name in enumerate(NAMES):
        size = (8, 6) if name == "c" else SIZE
        write_picture(root / "original" / f"{name}.png", index, size)
        write_label(root / "labels" / f"{name}.png", [0, 255, 0 if name == "b" else 1], size)
    return root


def check(root, name="road_anomaly", **kwargs):
    report = check_data_set(name, root, **kwargs)
    return report, dict(report.facts)


def problem_of(root, name="road_anomaly", **kwargs):
    """The only problem."""
    report, _ = check(root, name, **kwargs)
    (problem,) = report.problems
    assert report.verdict == f"not ready: {problem}" and "\n" not in problem
    return problem


class TestFacts:
    def test_counts(self, root):
        report, facts = check(root)
        assert facts["images"].startswith("3, but the public benchmark has 60")
        assert facts["labels"] == "3" and facts["layout"] == "original+labels"
        assert facts["sizes"] == "4 x 6 (2), 8 x 6 (1)"
        # 96 pixels: 2 unknown, 3 ignored
        assert facts["unknown"] == "2 pixels, 2.15 % of the known and unknown pixels"
        assert facts["ignored"] == "3 pixels, 3.12 % of all"
        assert facts["without unknown"] == "1 images: original/b.png"
        assert facts["not used"] == "none"
        assert report.values == [
            ("0", "known", "91", "94.8 %"),
            ("1", "unknown", "2", "2.08 %"),
            ("255", "ignored", "3", "3.12 %"),
        ]
        assert report.problems == [] and report.verdict.startswith(READY)

    def test_held_out_classes_are_named(self, tmp_path):
        root = downloads.camvid(tmp_path / "raw", ".jpg")
        write_plan(make_plan("camvid", Request(root, tmp_path / "data")), tmp_path / "data")
        report, facts = check(tmp_path / "data", "camvid")
        meanings = {value: meaning for value, meaning, *_ in report.values}
        assert meanings["0"] == "known: sky" and meanings["8"] == "known: car"
        assert meanings["9"] == "unknown: pedestrian" and meanings["10"] == "unknown: bicyclist"
        assert meanings["255"] == "ignored" and "11" not in meanings
        assert report.values[-1][2] == "1" and facts["unknown"].startswith("2 pixels")
        assert facts["not used"].startswith("4 files: images/train/0001TP_000690.jpg, ")
        assert "6 files from" in facts["prepared"]

    def test_camvid_in_png(self, tmp_path):
        """As SegNet's tutorial has it."""
        data = tmp_path / "data"
        plan = make_plan("camvid", Request(downloads.camvid(tmp_path / "raw"), data))
        write_plan(plan, data)
        report, facts = check(data, "camvid")
        assert report.problems == [] and facts["images"].startswith("1,")
        start = "ready: configs/_base_/benchmarks/camvid.py (1 of 233 images: its figures"
        assert report.verdict.startswith(start)

    def test_values_of_labels_that_begin_at_one(self, tmp_path):
        root = downloads.street_hazards(tmp_path / "raw")
        report, _ = check(root, "street_hazards")
        assert [row[:3] for row in report.values] == [
            ("1", "known: unlabeled", "1"),
            ("13", "known: traffic sign", "1"),
            ("14", "unknown", str(PIXELS - 2)),
        ]
        report, _ = check(root, "street_hazards", options=dict(ignored_classes="unlabeled"))
        assert [row[1] for row in report.values] == [
            "ignored: unlabeled",
            "known: traffic sign",
            "unknown",
        ]

    def test_files_that_are_not_used(self, root):
        for name in ("labels/a_color.png", "original/test.png", "notes.txt"):
            write_label((root / name).with_suffix(".png"), [0])
        (root / ".hidden").write_text("x")
        _, facts = check(root)
        assert facts["not used"] == "3 files: labels/a_color.png, notes.png, original/test.png"

    def test_images_in_another_folder(self, tmp_path):
        """The download of Fishyscapes next to Lost and Found, without preparation."""
        downloads.lost_and_found(tmp_path / "lost_and_found")
        root = downloads.fishyscapes_lost_and_found(tmp_path / "fishyscapes")
        report, facts = check(root, "fishyscapes_lost_and_found")
        assert facts["layout"] == "official" and facts["images"].startswith("2,")
        assert report.verdict.startswith("ready: ") and facts["not used"] == "none"

    def test_version(self, tmp_path):
        wanted = downloads.fishyscapes_static(tmp_path / "raw", tmp_path / "cityscapes")
        data = tmp_path / "data"
        request = Request(tmp_path / "raw", data, images=tmp_path / "cityscapes", version=2)
        plan = make_plan("fishyscapes_static", request)
        write_plan(plan, data)
        report, facts = check(data, "fishyscapes_static", options=plan.dataset)
        assert facts["version"] == "2" and facts["labels"] == str(len(wanted))
        assert facts["prepared"].endswith("(version=2)")
        ready = "ready: configs/_base_/benchmarks/fishyscapes_static.py, with version=2 in its data"
        assert report.verdict.startswith(ready)
        message = problem_of(data, "fishyscapes_static")
        assert message.startswith("the folder was prepared for version=2, the config says 3: set ")
        (data / "manifest.json").unlink()
        message = problem_of(data, "fishyscapes_static")
        assert "VERSION.json states version 2, but version 3 is requested" in message

    def test_config_of_a_user(self, root, tmp_path):
        for name in NAMES:
            write_label(root / "labels" / f"{name}.png", [0, 5], (8, 6) if name == "c" else SIZE)
        config = tmp_path / "mine.py"
        config.write_text(
            "benchmark = dict(dataset=dict(type='mmosr.RoadAnomalyDataset', data_root='x', "
            "unknown_value=5))"
        )
        report, facts = check(root, "mine", config=config)
        assert facts["images"] == "3" and report.verdict == f"ready: {config}"
        assert [row[:3] for row in report.values] == [
            ("0", "known", "93"),
            ("5", "unknown", "3"),
        ]


class TestProblems:
    def test_missing_image(self, root):
        (root / "original" / "b.png").unlink()
        problem = problem_of(root)
        assert f"1 of 3 label files have no image: expected {root}/original/b.*" in problem

    def test_missing_files_of_held_out_classes(self, tmp_path):
        """The data set itself only names the first one."""
        root = downloads.street_hazards(tmp_path / "raw")
        for index in range(4):
            write_picture(root / "test/images/test/t5" / f"{index}.png")
        write_label(root / "test/annotations/test/t5" / "9.png", [1])
        report, _ = check(root, "street_hazards")
        folder = root / "test"
        assert report.problems[0].startswith(
            f"5 files are missing next to existing ones: {folder}/images/test/t5/9.png, "
            f"{folder}/annotations/test/t5/0.png, {folder}/annotations/test/t5/1.png, ..."
        )
        assert report.verdict.endswith("(and 1 more, above)")

    def test_wrong_values(self, root):
        write_label(root / "labels" / "b.png", [0, 2, 77])
        report, _ = check(root)
        assert ("77", "not allowed", "1", "1.04 %") in report.values
        path = root / "labels" / "b.png"
        assert report.problems == [
            f"1 files hold label values that are not allowed: {path} [2, 77]: "
            "use the labels of the benchmark"
        ]

    @pytest.mark.parametrize("kind", ["original", "labels"])
    def test_unreadable_files(self, root, kind):
        path = root / kind / "b.png"
        path.write_bytes(path.read_bytes()[:-25])
        (root / kind / "c.png").write_bytes(b"no picture")
        report, facts = check(root)
        assert facts["cannot be read"] == "2 files"
        (problem,) = report.problems
        assert problem.startswith("2 files cannot be read: ") and f"{path}" in problem
        assert problem.endswith("unpack the download again")
        assert sum(int(row[2]) for row in report.values) == PIXELS  # of the file that is left

    def test_label_of_another_size(self, root):
        write_label(root / "labels" / "b.png", [0], (6, 4))
        path = root / "labels" / "b.png"
        assert problem_of(root).startswith(
            f"1 files differ in size from their image: {path} is 6 x 4, its image 4 x 6"
        )

    def test_nothing_unknown(self, root):
        for name in NAMES:
            write_label(root / "labels" / f"{name}.png", [0], (8, 6) if name == "c" else SIZE)
        assert problem_of(root).startswith("no label file has unknown pixels")

    def test_no_labels(self, root):
        for path in (root / "labels").iterdir():
            path.unlink()
        assert "has no label files" in problem_of(root)

    def test_several_problems(self, root):
        write_label(root / "labels" / "a.png", [0, 77], (6, 4))
        report, _ = check(root)
        assert len(report.problems) == 2 and report.verdict.endswith("(and 1 more, above)")

    def test_names_and_folders(self, root, tmp_path):
        with pytest.raises(InputError, match="no data set 'x': choose from bdd_anomaly, camvid, "):
            check(root, "x")
        with pytest.raises(InputError, match="folder .*nowhere does not exist"):
            check(root / "nowhere")
        (tmp_path / "empty.py").write_text("model = dict()")
        with pytest.raises(InputError, match="empty.py' has no benchmark = "):
            check(root, config=tmp_path / "empty.py")


class TestPrepared:
    @pytest.fixture
    def data(self, root, tmp_path):
        folder = tmp_path / "prepared"
        write_plan(make_plan("road_anomaly", Request(root, folder, copy=True)), folder)
        return folder

    def test_checksums(self, data):
        report, facts = check(data, checksums=True)
        assert facts["checksums"] == "6 of 6 files are unchanged" and report.problems == []
        assert facts["not used"] == "none"

    def test_changed_file(self, root, data):
        """Damage that only the checksum detects, and that the same plan fixes."""
        write_label(data / "labels" / "a.png", [0, 1, 1])
        assert check(data)[0].problems == []
        assert problem_of(data, checksums=True).startswith(
            "1 of 6 files do not have the checksum in manifest.json: labels/a.png: run python "
            f"tools/dataset_converters/prepare.py road_anomaly SRC {data}"
        )
        assert write_plan(make_plan("road_anomaly", Request(root, data, copy=True)), data).made == 1
        assert check(data, checksums=True)[0].problems == []

    def test_missing_files(self, root, data):
        for path in ("labels/b.png", "original/b.png"):
            (data / path).unlink()
        problem = problem_of(data)
        assert problem.startswith(
            "2 of 6 prepared files are missing, or their sources: labels/b.png, original/b.png: run"
        )

    def test_links_whose_sources_are_gone(self, root, tmp_path):
        folder = tmp_path / "linked"
        write_plan(make_plan("road_anomaly", Request(root, folder)), folder)
        assert check(folder, checksums=True)[0].problems == []
        root.rename(tmp_path / "moved")
        report, _ = check(folder, checksums=True)
        assert report.problems[0].startswith("6 of 6 prepared files are missing, or their sources")

    def test_unfinished(self, data):
        journal = data / "manifest.partial.jsonl"
        journal.write_text(json.dumps({"name": "road_anomaly"}) + "\n")
        assert problem_of(data).startswith("the preparation was not completed: run python ")

    def test_no_checksums(self, root):
        problem = problem_of(root, checksums=True)
        assert problem.startswith("no checksums to compare with: ")

    def test_prepared_with_other_options(self, tmp_path):
        data = tmp_path / "data"
        request = Request(downloads.bdd(tmp_path / "raw"), data, unknown_ids=(12, 17))
        plan = make_plan("bdd_anomaly", request)
        write_plan(plan, data)
        assert problem_of(data, "bdd_anomaly").startswith(
            "the folder was prepared for unknown_classes=['rider', 'motorcycle'], the config says "
        )
        report, _ = check(data, "bdd_anomaly", options=plan.dataset)
        assert report.problems == []
        assert "with unknown_classes=['rider', 'motorcycle'] in its dataset" in report.verdict


def test_what_is_printed(root, capsys):
    write_label(root / "labels" / "a.png", [0, 77], (6, 4))
    (root / "original" / "a [bold].png").write_bytes(b"")
    show(check_data_set("road_anomaly", root))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("not ready: 1 files hold label values that are not allowed")
    assert lines[-2].startswith("also wrong: 1 files differ in size from their image")
    cells = [tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in lines]
    assert ("77", "not allowed", "1", "1.04 %") in cells
    assert ("not used", "1 files: original/a [bold].png") in cells
