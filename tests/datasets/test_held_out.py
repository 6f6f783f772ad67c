"""Classes held out of mmseg's own data sets."""

import copy
import json
import pickle

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from mmseg.datasets import BaseSegDataset, CityscapesDataset, PascalVOCDataset
from mmseg.registry import DATASETS as MMSEG_DATASETS
from PIL import Image
from torch.utils.data import DataLoader

from mmosr.datasets import CamVidDataset, HeldOutClasses, held_out_class, held_out_dataset
from mmosr.utils import InputError
from tests.processes import fork_context

from .contract import LOAD, NAMES, SIZE, DatasetContract, labels_of, write_image, write_label


class HostContract(DatasetContract):
    """The contract for ``mmosr.HeldOutDataset`` with a host; ``options`` names it."""

    type = "mmosr.HeldOutDataset"

    @property
    def metainfo(self):
        return MMSEG_DATASETS.get(self.options["host"]).METAINFO

    def test_it_is_the_host_still(self, root):
        host = MMSEG_DATASETS.get(self.options["host"])
        dataset = self.build(root, **self.held_out)
        assert isinstance(dataset, host) and isinstance(dataset, HeldOutClasses)
        assert type(dataset) is held_out_class(host)
        plain = dict(self.options, type=f"mmseg.{host.__name__}", data_root=str(root))
        plain.pop("host")
        plain = DATASETS.build(dict(plain, data_prefix=self.data_prefix))
        assert (dataset.img_suffix, dataset.seg_map_suffix) == (
            plain.img_suffix,
            plain.seg_map_suffix,
        )
        assert dataset.reduce_zero_label == plain.reduce_zero_label == bool(self.shift)
        paths = [dataset.get_data_info(i)["seg_map_path"] for i in range(2)]
        assert paths == [plain.get_data_info(i)["seg_map_path"] for i in range(2)]


class TestPascalVOC(HostContract):
    data_prefix = dict(img_path="JPEGImages", seg_map_path="SegmentationClass")
    image, label = "{name}.jpg", "{name}.png"
    options = dict(host="PascalVOCDataset", ann_file="ImageSets/Segmentation/train.txt")
    listed = True

    def prepare(self, root):
        super().prepare(root)
        write_image(root / "JPEGImages" / "not_listed.jpg", 90)
        path = root / self.options["ann_file"]
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(sorted(NAMES)) + "\n")

    def write_label(self, path, label):
        """With a palette, as published."""
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(label)
        picture.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
        assert picture.mode == "P"
        picture.save(path)

    def test_lazy_start(self, root):
        """This host looks for its list and folder at once."""
        lazy = self.build(root, lazy_init=True, **self.held_out)
        assert lazy.metainfo["classes"] == self.classes[2:-1]

    def test_missing_list(self, root):
        with pytest.raises(InputError, match=r"list of images .*gone\.txt does not exist"):
            self.build(root, ann_file="gone.txt")

    def test_empty_list(self, root):
        (root / "empty.txt").write_text("")
        with pytest.raises(InputError, match=r"list .*empty\.txt has no '\*\.jpg' image"):
            self.build(root, ann_file="empty.txt")


class TestADE20K(HostContract):
    data_prefix = dict(img_path="images/training", seg_map_path="annotations/training")
    image, label = "ADE_train_{name}.jpg", "ADE_train_{name}.png"
    options = dict(host="ADE20KDataset")
    shift = 1

    def test_hand_written_class(self, root):
        """The same labels as mmosr.OpenSetADE20KDataset, pixel by pixel."""
        ours = self.build(root, mark_unknown=True, **self.held_out)
        other = DATASETS.build(
            dict(
                type="mmosr.OpenSetADE20KDataset",
                data_root=str(root),
                data_prefix=self.data_prefix,
                pipeline=LOAD,
                mark_unknown=True,
                **self.held_out,
            )
        )
        assert ours.metainfo == other.metainfo
        for a, b in zip(ours, other, strict=True):
            np.testing.assert_array_equal(labels_of(a), labels_of(b))


class TestCityscapes(HostContract):
    data_prefix = dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val")
    image = "frankfurt/{name}_leftImg8bit.png"
    label = "frankfurt/{name}_gtFine_labelTrainIds.png"
    options = dict(host="CityscapesDataset")


class TestLoveDA(HostContract):
    data_prefix = dict(img_path="img_dir/train", seg_map_path="ann_dir/train")
    image = label = "{name}.png"
    options = dict(host="mmseg.LoveDADataset")
    shift = 1


@DATASETS.register_module()
class PairsDataset(BaseSegDataset):
    """A host with a list of pairs, which does not pass on a label map."""

    METAINFO = dict(classes=("a", "b", "c", "d"), palette=[[1] * 3, [2] * 3, [3] * 3, [4] * 3])
    names = None

    def load_data_list(self):
        if self.names is not None:
            self._metainfo["classes"] = self.names
        pairs = json.loads(open(self.ann_file).read())
        common = dict(label_map=None, reduce_zero_label=self.reduce_zero_label, seg_fields=[])
        return [dict(img_path=image, seg_map_path=label, **common) for image, label in pairs]


@DATASETS.register_module()
class SelfNamingDataset(PairsDataset):
    names = ("a", "b", "c", "z")


@pytest.fixture
def pairs(tmp_path, mmseg_scope):
    """A list of pairs with files anywhere, and no data_root."""
    write_image(tmp_path / "x" / "1.jpg", 90)
    write_label(tmp_path / "y" / "2.png", np.resize(np.uint8([0, 1, 2, 3, 254, 255]), SIZE))
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps([[str(tmp_path / "x" / "1.jpg"), str(tmp_path / "y" / "2.png")]]))
    return path


def held_out_pairs(path, host="PairsDataset", **kwargs):
    cfg = dict(type="mmosr.HeldOutDataset", host=host, ann_file=str(path), pipeline=LOAD)
    held_out = dict(unknown_classes="b", ignored_classes="d", mark_unknown=True)
    return DATASETS.build({**cfg, **held_out, **kwargs})


class TestHostWithItsOwnList:
    def test_values(self, pairs):
        dataset = held_out_pairs(pairs)
        expected = np.resize([0, 254, 1, 255, 254, 255], SIZE)
        np.testing.assert_array_equal(labels_of(dataset[0]), expected)
        assert dataset.metainfo["palette"] == [[1] * 3, [3] * 3]

    def test_reduced_zero_label(self, pairs):
        dataset = held_out_pairs(pairs, reduce_zero_label=True)  # 0 1 2 3 254 255 in the file
        expected = np.resize([255, 0, 254, 1, 254, 255], SIZE)
        np.testing.assert_array_equal(labels_of(dataset[0]), expected)

    def test_missing_label(self, pairs):
        (pairs.parent / "y" / "2.png").unlink()
        with pytest.raises(InputError, match=r"1\.jpg has no label file .*2\.png"):
            held_out_pairs(pairs)

    def test_missing_image(self, pairs):
        (pairs.parent / "x" / "1.jpg").unlink()
        with pytest.raises(InputError, match=r"1\.jpg does not exist, but .*pairs\.json names it"):
            held_out_pairs(pairs)

    def test_classes_of_the_data(self, pairs):
        with pytest.raises(InputError, match="HeldOutSelfNamingDataset: .* a, b, c, z"):
            held_out_pairs(pairs, host="SelfNamingDataset")

    def test_copies(self, pairs):
        dataset = held_out_pairs(pairs)
        for other in (copy.deepcopy(dataset), dataset.get_subset([0])):
            assert type(other) is type(dataset) and len(other) == 1
            np.testing.assert_array_equal(labels_of(other[0]), labels_of(dataset[0]))


def test_worker_that_starts_from_scratch(pairs):
    """A spawned process must create the class itself."""
    dataset = held_out_pairs(pairs)
    loader = DataLoader(
        dataset, num_workers=1, multiprocessing_context=fork_context(), collate_fn=pseudo_collate
    )
    (batch,) = loader
    sample = {key: value[0] for key, value in batch.items()}
    np.testing.assert_array_equal(labels_of(sample), labels_of(dataset[0]))


class TestClass:
    def test_it_is_made_once(self):
        cls = held_out_class(PascalVOCDataset)
        assert cls is held_out_class(PascalVOCDataset) is not held_out_class(CityscapesDataset)
        assert (
            cls.__name__ == "HeldOutPascalVOCDataset" and cls.METAINFO is PascalVOCDataset.METAINFO
        )

    def test_a_class_that_holds_out_already(self):
        assert held_out_class(CamVidDataset) is CamVidDataset

    def test_names_and_classes(self, pairs):
        for host in ("mmosr.CamVidDataset", "CamVidDataset", CamVidDataset):
            dataset = held_out_dataset(host, lazy_init=True, unknown_classes="car")
            assert type(dataset) is CamVidDataset and "car" not in dataset.known_classes
        for host in ("mmseg.CityscapesDataset", "CityscapesDataset", CityscapesDataset):
            dataset = held_out_dataset(host, lazy_init=True)
            assert type(dataset) is held_out_class(CityscapesDataset)
        assert type(pickle.loads(pickle.dumps(dataset))) is type(dataset)


@pytest.mark.usefixtures("mmseg_scope")
class TestErrors:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("PascalVocDataset", "no dataset 'PascalVocDataset'; did you mean PascalVOCDataset"),
            ("mmseg.PascalVocDataset", "did you mean .*PascalVOCDataset"),
            ("CamvidDataset", "did you mean .*CamVidDataset"),
            ("qqqq", "no dataset 'qqqq'; host takes a class name of mmseg"),
            ("nowhere.Dataset", r"no dataset 'nowhere\.Dataset'"),
            ("LEVIRCDDataset", "host LEVIRCDDataset is not an mmseg dataset for semantic segm"),
            ("ConcatDataset", "host ConcatDataset is not an mmseg dataset"),
            ("HeldOutDataset", "host held_out_dataset is not an mmseg dataset"),
            (3, "host 3 is not an mmseg dataset"),
        ],
    )
    def test_host(self, name, message):
        with pytest.raises(InputError, match=message):
            DATASETS.build(dict(type="mmosr.HeldOutDataset", host=name))

    def test_names_in_messages(self, tmp_path):
        with pytest.raises(InputError, match="HeldOutCityscapesDataset: zebra cannot be held out"):
            held_out_dataset("CityscapesDataset", unknown_classes="zebra")
        with pytest.raises(InputError, match="HeldOutCityscapesDataset: folder '.*' does not"):
            held_out_dataset("CityscapesDataset", data_root=str(tmp_path / "gone"))


@pytest.mark.usefixtures("mmseg_scope")
class TestBenchmarkConfigs:
    def test_camvid(self, tmp_path):
        write_image(tmp_path / "images" / "test" / "x.jpg", 90)
        raw = np.resize(np.uint8([*range(11), 255]), SIZE)
        write_label(tmp_path / "labels" / "test" / "x.png", raw)
        cfg = Config.fromfile("configs/_base_/benchmarks/camvid.py").benchmark
        assert cfg.protocol == "camvid" and cfg.dataset.data_root == "data/camvid"
        dataset = DATASETS.build({**cfg.dataset, "data_root": str(tmp_path), "pipeline": LOAD})
        expected = np.resize([*range(9), 254, 254, 255], SIZE)
        np.testing.assert_array_equal(labels_of(dataset[0]), expected)

    @pytest.mark.parametrize("name", ["camvid", "demo"])
    def test_it_is_the_test_of_the_models(self, name):
        """The same data set as in the configs that the models are trained with."""
        dataset = Config.fromfile(f"configs/_base_/benchmarks/{name}.py").benchmark.dataset
        trained = Config.fromfile(f"configs/_base_/datasets/{name}.py").test_dataloader.dataset
        trained.pop("pipeline")
        assert dataset.data_root == trained.pop("data_root").rstrip("/")
        assert {k: v for k, v in dataset.items() if k != "data_root"} == trained

    def test_demo(self, demo_scenes):
        cfg = Config.fromfile("configs/_base_/benchmarks/demo.py").benchmark
        dataset = DATASETS.build({**cfg.dataset, "data_root": str(demo_scenes), "pipeline": LOAD})
        assert cfg.protocol == "demo" and len(dataset) == 2
        for sample in dataset:
            raw = np.asarray(Image.open(sample["data_samples"].seg_map_path))
            np.testing.assert_array_equal(labels_of(sample) == 254, raw == 254)
            assert set(np.unique(labels_of(sample))) <= {*range(9), 254, 255}
