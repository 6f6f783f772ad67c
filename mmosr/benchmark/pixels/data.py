"""The data sets of a benchmark: which are meant, and their images as the model takes them."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmengine.dataset import Compose
from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from mmosr.apis import Loaded
from mmosr.apis.image_loading import check_image
from mmosr.config.checks import check_data
from mmosr.config.loading import load_config
from mmosr.config.pipelines import labelled_pipeline
from mmosr.datasets.fishyscapes import add_overlay, with_overlays
from mmosr.evaluation.components import ComponentSizes
from mmosr.utils import InputError
from mmosr.utils.resources import resource
from mmosr.visualization.pictures import read_image

from .protocols import Protocol, custom_protocol, load_protocol

DEFINITIONS = resource("configs", "_base_", "benchmarks")
OWN_TEST_DATA = "test"


@dataclass(frozen=True)
class Benchmark:
    """A data set and what it is measured by.

    Args:
        name: What its results are called.
        protocol: What is measured.
        dataset: Config of the data set, without a pipeline.
    """

    name: str
    protocol: Protocol
    dataset: dict


def find_benchmarks(names: Sequence[str], loaded: Loaded) -> list[Benchmark]:
    """The data sets that are meant, none of which is touched yet.

    Args:
        names: Names of files in ``configs/_base_/benchmarks``, paths of files of that kind, or
            ``test`` for the test data of the model's config.
        loaded: The model.

    Raises:
        InputError: There is no such file, it defines no benchmark, or two have one name.
    """
    benchmarks = [_own_test_data(loaded) if n == OWN_TEST_DATA else _read(n) for n in names]
    if not benchmarks:
        raise InputError("no data set to test on: name some with --datasets")
    found = [benchmark.name for benchmark in benchmarks]
    for name in found:
        if found.count(name) > 1:
            raise InputError(
                f"two data sets are called '{name}', which names their results: rename a file, or "
                "name the data set once"
            )
    return benchmarks


def _own_test_data(loaded: Loaded) -> Benchmark:
    if not loaded.test_data:
        raise InputError(
            "the config has no test_dataloader.dataset: name data sets with --datasets"
        )
    source = loaded.config_file
    protocol = custom_protocol(f"test data of {Path(source).name}", source)
    return Benchmark(OWN_TEST_DATA, protocol, _plain(loaded.test_data))


def _read(name: str) -> Benchmark:
    is_path = name.endswith(".py") or os.sep in name
    path = Path(name) if is_path else DEFINITIONS / f"{name}.py"
    if not path.is_file():
        known = sorted(file.stem for file in DEFINITIONS.glob("*.py"))
        raise InputError(
            f"no data set '{name}': choose from {', '.join([OWN_TEST_DATA, *known])}, or give the "
            "path of a file that defines one"
        )
    benchmark = load_config(path).get("benchmark")
    if not isinstance(benchmark, Mapping) or "type" not in (benchmark.get("dataset") or {}):
        raise InputError(f"'{path}' has no benchmark = dict(protocol=..., dataset=dict(type=...))")
    unknown = sorted(benchmark.keys() - {"protocol", "dataset", "components"})
    if unknown or ("protocol" in benchmark and "components" in benchmark):
        what = ", ".join(unknown) or "components beside a protocol, which has its own"
        raise InputError(
            f"'{path}': {what} means nothing in a benchmark; it has protocol and dataset, or "
            "dataset and components=dict(predicted=..., true=...)"
        )
    return Benchmark(path.stem, _protocol(benchmark, path), _plain(benchmark["dataset"]))


def _protocol(benchmark: Mapping, path: Path) -> Protocol:
    if "protocol" in benchmark:
        return load_protocol(benchmark["protocol"])
    sizes = benchmark.get("components")
    try:
        sizes = ComponentSizes(**sizes) if sizes else None
    except TypeError:
        raise InputError(
            f"'{path}': components is dict(predicted=..., true=...), the smallest pixel counts"
        ) from None
    return custom_protocol(path.stem, str(path), sizes)


def _plain(config: Mapping) -> dict:
    """A copy of a data set's config without pipelines, also of the data sets that it wraps."""
    config = {key: copy.deepcopy(value) for key, value in config.items() if key != "pipeline"}
    if "dataset" in config:
        config["dataset"] = _plain(config["dataset"])
    if "datasets" in config:
        config["datasets"] = [_plain(part) for part in config["datasets"]]
    return config


class BenchmarkData(Dataset):
    """The images of a benchmark with their labels, as the model takes them.

    The steps are those of the model's test, with the labels loaded last and by
    ``mmosr.LoadOpenSetAnnotations``: they keep their full size and their values are checked. The
    objects of Fishyscapes Static are added to each image as soon as it is loaded.

    Args:
        benchmark: From :func:`find_benchmarks`.
        loaded: The model.

    Raises:
        InputError: The data is not there, or holds no image; the config has no test pipeline.
    """

    def __init__(self, benchmark: Benchmark, loaded: Loaded) -> None:
        self.name, self.protocol = benchmark.name, benchmark.protocol
        self.config = benchmark.dataset
        loaded.set_scope()
        what = f"data set '{self.name}'"
        check_data({what: self.config}, [what])
        self._dataset = self._build(what)
        self._steps = Compose(with_overlays(labelled_pipeline(loaded.steps)))
        # One whole pass over the file names, which are few bytes each.
        infos = map(self._dataset.get_data_info, range(len(self._dataset)))
        self.images = [os.fspath(info["img_path"]) for info in infos]
        if not self.images:
            raise InputError(f"{what} holds no image: check its data_root in docs/data.md")

    def _build(self, what: str) -> Dataset:
        try:
            dataset = DATASETS.build(copy.deepcopy(self.config))
            dataset.full_init()
        except InputError as error:
            raise InputError(f"{what}: {error}") from error
        except FileNotFoundError as error:
            raise InputError(f"{what} is not there: {error}; see docs/data.md") from error
        return dataset

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the known classes, by label."""
        return tuple(self._dataset.metainfo.get("classes") or ())

    def shares_classes(self, classes: Sequence[str] | None) -> bool:
        """Whether the known classes are those of a model, so that mIoU means something."""
        anomaly_only = self._dataset.metainfo.get("anomaly_only", False)
        return not anomaly_only and bool(classes) and self.classes == tuple(classes)

    def picture(self, index: int) -> np.ndarray:
        """An image as it is tested, (H, W, 3) RGB, for people.

        Raises:
            InputError: The image cannot be read.
        """
        info = self._dataset.get_data_info(index)
        image = read_image(info["img_path"])
        return add_overlay(image, info["overlay_path"]) if "overlay_path" in info else image

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        info = self._dataset.get_data_info(index)
        check_image(self.images[index])
        # The data sets of this project tell it; those of the host do not.
        info.setdefault("num_classes", len(self.classes))
        try:
            return self._steps(info)
        except (OSError, AssertionError, cv2.error) as error:
            raise InputError(f"image '{self.images[index]}' cannot be read: {error}") from error
