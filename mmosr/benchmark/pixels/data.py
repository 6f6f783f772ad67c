"""The data sets of a benchmark: which are meant, and their images as the model takes them."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, init_default_scope
from torch.utils.data import Dataset

from mmosr.apis.image_loading import check_image
from mmosr.config.fit_loader import find_test_pipeline, loads_labels
from mmosr.config.loading import check_data, load_config
from mmosr.datasets.fishyscapes import add_overlay, with_overlays
from mmosr.evaluation.components import ComponentSizes
from mmosr.utils import InputError
from mmosr.visualization.pictures import read_image

from .protocols import Protocol, custom_protocol, load_protocol

DEFINITIONS = Path(__file__).parents[3] / "configs" / "_base_" / "benchmarks"
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


def find_benchmarks(names: Sequence[str], config: Config) -> list[Benchmark]:
    """The data sets that are meant, none of which is touched yet.

    Args:
        names: Names of files in ``configs/_base_/benchmarks``, paths of files of that kind, or
            ``test`` for the test data of the config.
        config: Of the model.

    Raises:
        InputError: There is no such file, it defines no benchmark, or two have one name.
    """
    benchmarks = [_own_test_data(config) if n == OWN_TEST_DATA else _read(n) for n in names]
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


def _own_test_data(config: Config) -> Benchmark:
    dataset = (config.get("test_dataloader") or {}).get("dataset")
    if not dataset:
        raise InputError(
            "the config has no test_dataloader.dataset: name data sets with --datasets"
        )
    source = str(config.filename)
    title = f"test data of {Path(source).name}"
    return Benchmark(OWN_TEST_DATA, custom_protocol(title, source), _plain(dataset))


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

    The steps are those of the config's test data, with the labels loaded last and by
    ``mmosr.LoadOpenSetAnnotations``: they keep their full size and their values are checked. The
    objects of Fishyscapes Static are added to each image as soon as it is loaded.

    Args:
        benchmark: From :func:`find_benchmarks`.
        config: Of the model.

    Raises:
        InputError: The data is not there, or holds no image; the config has no test pipeline.
    """

    def __init__(self, benchmark: Benchmark, config: Config) -> None:
        self.name, self.protocol = benchmark.name, benchmark.protocol
        self.config = benchmark.dataset
        init_default_scope(config.get("default_scope") or "mmseg")
        what = f"data set '{self.name}'"
        check_data({what: self.config}, [what])
        self._dataset = self._build(what)
        self._steps = Compose(with_overlays(labelled_pipeline(find_test_pipeline(config))))
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


def labelled_pipeline(steps: Sequence[Mapping]) -> list[dict]:
    """A test pipeline that loads labels as benchmarks need them: last, and checked.

    Raises:
        InputError: The pipeline does not end in ``PackSegInputs``.
    """
    steps = [dict(step) for step in steps if not loads_labels(step)]
    if not steps or not _name(steps[-1]).endswith("PackSegInputs"):
        raise InputError(
            "the test pipeline of the config has to end with PackSegInputs: labels are loaded "
            "before it, at their full size"
        )
    return [*steps[:-1], dict(type="mmosr.LoadOpenSetAnnotations"), steps[-1]]


def _name(step: Mapping) -> str:
    kind = step["type"]
    return kind if isinstance(kind, str) else kind.__name__
