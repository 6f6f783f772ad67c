"""One line selects the official download of CIFAR-10, for every shipped config that uses it."""

import json
import re
import shutil

import pytest
from mmpretrain.datasets import CIFAR10
from mmpretrain.registry import DATASETS

from mmosr.benchmark.images.config import method_config, trial_config
from mmosr.benchmark.images.data import describe_data
from mmosr.benchmark.images.protocols import load_image_protocol
from mmosr.config.loading import load_config
from mmosr.config.lookup import dicts

from .shown_images import shown
from .support import LEAVES, LOADERS, ROOT

pytestmark = pytest.mark.usefixtures("there")
PROTOCOLS = "_base_/protocols"
METHOD = "softmax_vgg13_cifar10-6-4_short.py"
SHIPPED = [*LEAVES, *sorted(f"{PROTOCOLS}/{path.name}" for path in ROOT.glob(f"{PROTOCOLS}/*.py"))]
WITH_CIFAR10 = [name for name in SHIPPED if re.search(r"cifar10(?!0)|cifar\+|animals", name)]
# The colour identifies the picture. All other steps leave the centre unchanged.
RECOLOURS = "ColorJitter"


@pytest.fixture(scope="module")
def switched(tmp_path_factory):
    """The shipped configs, with the one line changed."""
    folder = tmp_path_factory.mktemp("shipped") / "configs"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    switch = folder / "_base_/datasets/cifar10_images.py"
    text = switch.read_text()
    assert text.count('["files"]') == 1
    switch.write_text(text.replace('["files"]', '["pickles"]'))
    return folder


def read(name, configs):
    """A config; a file with only data is combined with a method, as the tool does."""
    if name in LEAVES:
        return load_config(configs / name)
    protocol = load_image_protocol(name.removeprefix(f"{PROTOCOLS}/").removesuffix(".py"))
    return trial_config(method_config(configs / METHOD, protocol, configs / name), protocol, 0)


def datasets(cfg):
    """Data of all loaders, also that of statistics, by its loader."""
    keys = (*LOADERS, "fit_dataloader")
    return {key: cfg[key].dataset.to_dict() for key in keys if cfg.get(key)}


def uses_cifar10(part):
    root = part.get("data_root")
    return isinstance(root, str) and re.fullmatch(r"(\./)?data/cifar10(_jpeg)?/?", root)


_SHOWN = {}  # many configs have the same data


def show(dataset, cfg):
    """``({(data set, class, number): label}, paths, classes)`` with the config's own pipelines."""
    key = json.dumps([dataset, cfg.model.data_preprocessor.to_dict()], default=str, sort_keys=True)
    if key not in _SHOWN:
        for part in dicts(dataset):
            if "pipeline" in part:
                part["pipeline"] = [s for s in part["pipeline"] if s["type"] != RECOLOURS]
        data = DATASETS.build(dataset)
        paths = [data.get_data_info(index).get("img_path") for index in range(len(data))]
        _SHOWN[key] = shown(data, cfg, 32), paths, data.metainfo["classes"]
    return _SHOWN[key]


@pytest.mark.parametrize("name", WITH_CIFAR10)
def test_the_same_images_from_the_official_download(name, switched):
    """The images at the network, their labels and classes, except which are for validation."""
    ours, theirs = read(name, ROOT), read(name, switched)
    loaders = datasets(theirs)
    assert loaders.keys() == datasets(ours).keys() and "test_dataloader" in loaders
    for loader, dataset in loaders.items():
        official, paths, classes = show(dataset, theirs)
        files, file_paths, _ = show(datasets(ours)[loader], ours)
        # Which images of a class are for validation depends on the order of the images.
        kept = [{(*key[:2], label) for key, label in part.items()} for part in (files, official)]
        assert kept[0] == kept[1] and len(files) == len(official)
        for images, places, from_files in ((files, file_paths, True), (official, paths, False)):
            sources = {
                place is not None
                for (data, *_), place in zip(images, places, strict=True)
                if data == "cifar10"
            }
            assert sources == {from_files}
        for (data, class_id, _), label in official.items():
            if label >= 0:
                assert data == "cifar10"
                assert classes[label] == CIFAR10.METAINFO["classes"][class_id]


@pytest.mark.parametrize("name", [name for name in WITH_CIFAR10 if name not in LEAVES])
def test_the_protocol_tool_takes_the_official_download(name, switched):
    protocol = load_image_protocol(name.removeprefix(f"{PROTOCOLS}/").removesuffix(".py"))
    describe_data(read(name, switched), protocol)


def test_no_other_config_shows_cifar10():
    for name in SHIPPED:
        cfg = load_config(ROOT / name)
        found = [part for part in dicts(list(datasets(cfg).values())) if uses_cifar10(part)]
        assert bool(found) == (name in WITH_CIFAR10), name
