"""What known and unknown classes of every mmpretrain data set must do, picture by picture."""

import pickle

import pytest
from mmengine.registry import DATASETS
from mmpretrain.datasets import CustomDataset

from mmosr.datasets import KnownUnknownClasses, load_split
from mmosr.utils import InputError

from .image_hosts import CLASSES, COUNTS, identity

TYPE = "mmosr.OpenSetClassificationDataset"
KNOWN, UNKNOWN_IDS = [7, 2, 5], [0, 9]  # 1, 3, 4, 6 and 8 are neither
LABELS = {2: 0, 5: 1, 7: 2, 0: -1, 9: -1}


def shown(dataset):
    """``{(class, number, part): label}`` of what the data set shows."""
    found = {}
    for index in range(len(dataset)):
        item = dataset.get_data_info(index)
        key = identity(item.get("img", item.get("img_path")))
        assert key not in found and key[0] == item["class_id"]
        found[key] = item["gt_label"]
    return found


def everything(part, labels):
    """What a data set with these labels per class must contain."""
    part_id = ("train", "test").index(part)
    return {(c, n, part_id): label for c, label in labels.items() for n in range(COUNTS[part])}


class HostContract:
    """What every host must do; a subclass writes the files and names the arguments."""

    host: object = None
    base = CustomDataset
    names = CLASSES

    def write(self, root):
        raise AssertionError("a host writes its files")

    def arguments(self, root, role):
        """Arguments of the host itself."""
        return dict(data_root=str(root))

    @pytest.fixture
    def root(self, tmp_path):
        self.write(tmp_path)
        return tmp_path

    def build(self, root, role, **kwargs):
        cfg = dict(type=TYPE, host=self.host, role=role, **self.arguments(root, role))
        return DATASETS.build({**cfg, **kwargs})

    def chosen(self, root, role, **kwargs):
        """With the classes above."""
        kwargs = dict(known_classes=KNOWN, unknown_classes=UNKNOWN_IDS, **kwargs)
        return self.build(root, role, **kwargs)

    def test_training_shows_known_classes_only(self, root):
        dataset = self.chosen(root, "train")
        assert shown(dataset) == everything("train", {2: 0, 5: 1, 7: 2})
        assert not dataset.test_mode

    def test_test_shows_unknown_classes_too(self, root):
        dataset = self.chosen(root, "test")
        assert shown(dataset) == everything("test", LABELS)
        assert dataset.test_mode

    def test_validation_share(self, root):
        parts = {
            role: shown(self.chosen(root, role, val_fraction=1 / 3)) for role in ("train", "val")
        }
        assert not set(parts["train"]) & set(parts["val"])
        assert {**parts["train"], **parts["val"]} == everything("train", {2: 0, 5: 1, 7: 2})
        labels = list(parts["val"].values())
        assert [labels.count(label) for label in range(3)] == [2, 2, 2]
        again = shown(self.chosen(root, "val", val_fraction=1 / 3))
        other = shown(self.chosen(root, "val", val_fraction=1 / 3, val_seed=1))
        assert again == parts["val"] != other
        test = shown(self.chosen(root, "test", val_fraction=1 / 3))
        assert test == everything("test", LABELS)

    def test_names_and_host(self, root):
        dataset = self.chosen(root, "test")
        assert dataset.metainfo["classes"] == tuple(self.names[i] for i in (2, 5, 7))
        assert dataset.metainfo["unknown_classes"] == tuple(self.names[i] for i in (0, 9))
        assert isinstance(dataset, self.base) and isinstance(dataset, KnownUnknownClasses)
        by_name = dict(
            known_classes=[self.names[i] for i in KNOWN],
            unknown_classes=[self.names[i] for i in UNKNOWN_IDS],
        )
        assert shown(self.build(root, "test", **by_name)) == shown(dataset)

    def test_published_split(self, root):
        split = load_split("protocol_a/cifar10", 3)
        if self.names != CLASSES:
            split = load_split("protocol_a/mnist", 3)
        kwargs = dict(class_split=split.identifier, trial=3)
        labels = {class_id: label for label, class_id in enumerate(split.known)}
        assert shown(self.build(root, "train", **kwargs)) == everything("train", labels)
        labels.update(dict.fromkeys(split.unknown, -1))
        assert shown(self.build(root, "test", **kwargs)) == everything("test", labels)

    def test_pickled_and_subset(self, root):
        dataset = self.chosen(root, "test", serialize_data=False)
        copy = pickle.loads(pickle.dumps(dataset))
        assert type(copy) is type(dataset) and shown(copy) == shown(dataset)
        assert copy.metainfo == dataset.metainfo
        assert len(self.chosen(root, "test", indices=2)) == 2
        key, label = list(shown(dataset).items())[4]
        assert shown(dataset.get_subset([4])) == {key: label}

    def test_lazy_start(self, root):
        lazy = self.chosen(root, "test", lazy_init=True)
        assert not lazy._fully_initialized
        assert len(lazy) == 5 * COUNTS["test"]  # loads now
        assert lazy.metainfo["classes"] == tuple(self.names[i] for i in (2, 5, 7))

    def test_missing_data(self, root):
        cfg = dict(self.arguments(root / "nowhere", "train"), data_root=str(root / "nowhere"))
        if "download" in cfg:
            cfg["download"] = False
        with pytest.raises(InputError, match=r"nowhere.*docs/image_data\.md"):
            DATASETS.build(dict(type=TYPE, host=self.host, role="train", **cfg))
