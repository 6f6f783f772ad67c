"""The data sets of a benchmark: which ones are meant, and their images as the model takes them."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
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
from mmosr.config.definitions import read_definition
from mmosr.config.lookup import without
from mmosr.config.pipelines import labelled_pipeline
from mmosr.datasets.fishyscapes import with_overlays
from mmosr.engine.tested_images import read_picture
from mmosr.evaluation.components import ComponentSizes
from mmosr.utils import InputError

from .protocols import Protocol, custom_protocol, load_protocol

OWN_TEST_DATA = "test"


@dataclass(frozen=True)
class Benchmark:
    """A data set and the protocol it is evaluated with.

    Args:
        name: Name of its results.
        protocol: What is measured.
        dataset: Config of the data set, without a pipeline.
    """

    name: str
    protocol: Protocol
    dataset: dict


def find_benchmarks(names: Sequence[str], loaded: Loaded) -> list[Benchmark]:
    """Find the data sets that are meant, without reading them.

    Args:
        names: Names of files in ``configs/_base_/benchmarks``, paths of such files, or ``test`` for
            the test data of the model's config.
        loaded: The model.

    Raises:
        InputError: A file does not exist or defines no benchmark, or two have the same name.
    """
    benchmarks = [_own_test_data(loaded) if n == OWN_TEST_DATA else _read(n) for n in names]
    if not benchmarks:
        raise InputError("no data set to test on: choose some with --datasets")
    found = [benchmark.name for benchmark in benchmarks]
    if twice := [name for name in found if found.count(name) > 1]:
        raise InputError(
            f"two data sets are called '{twice[0]}', as their results would be: rename a file, or "
            "name the data set once"
        )
    return benchmarks


def _own_test_data(loaded: Loaded) -> Benchmark:
    if not loaded.test_data:
        raise InputError(
            "the config has no test_dataloader.dataset: choose data sets with --datasets"
        )
    protocol = custom_protocol(f"test data of {Path(loaded.config_file).name}", loaded.config_file)
    return Benchmark(OWN_TEST_DATA, protocol, without(loaded.test_data, ["pipeline"]))


def _read(name: str) -> Benchmark:
    path, benchmark = read_definition(name, [OWN_TEST_DATA])
    unknown = sorted(benchmark.keys() - {"protocol", "dataset", "components"})
    if unknown or ("protocol" in benchmark and "components" in benchmark):
        what = ", ".join(unknown) or "components next to a protocol, which has its own"
        raise InputError(
            f"'{path}': {what} means nothing in a benchmark; it has protocol and dataset, or "
            "dataset and components=dict(predicted=..., true=...)"
        )
    if "protocol" in benchmark:
        protocol = load_protocol(benchmark["protocol"])
    else:
        sizes = benchmark.get("components")
        try:
            sizes = ComponentSizes(**sizes) if sizes else None
        except TypeError:
            raise InputError(
                f"'{path}': components is dict(predicted=..., true=...), the smallest pixel counts"
            ) from None
        protocol = custom_protocol(path.stem, str(path), sizes)
    return Benchmark(path.stem, protocol, without(benchmark["dataset"], ["pipeline"]))


class BenchmarkData(Dataset):
    """The images of a benchmark with their labels, as the model takes them.

    The steps are those of the model's test, except that labels are loaded last, by
    ``mmosr.LoadOpenSetAnnotations``, which keeps their full size and checks their values. The
    objects of Fishyscapes Static are added to each image as soon as it is loaded.

    Args:
        benchmark: From :func:`find_benchmarks`.
        loaded: The model.

    Raises:
        InputError: The data is missing or has no images, or the config has no test pipeline.
    """

    def __init__(self, benchmark: Benchmark, loaded: Loaded) -> None:
        self.name, self.protocol = benchmark.name, benchmark.protocol
        self.config = benchmark.dataset
        loaded.set_scope()
        what = f"data set '{self.name}'"
        check_data({what: self.config}, [what])
        try:
            self._dataset = DATASETS.build(copy.deepcopy(self.config))
            self._dataset.full_init()
        except InputError as error:
            raise InputError(f"{what}: {error}") from error
        except FileNotFoundError as error:
            raise InputError(f"{what} is missing: {error}; see docs/data.md") from error
        self._steps = Compose(with_overlays(labelled_pipeline(loaded.steps)))
        # A whole pass over the file names, which are only a few bytes each.
        infos = map(self._dataset.get_data_info, range(len(self._dataset)))
        self.images = [os.fspath(info["img_path"]) for info in infos]
        if not self.images:
            raise InputError(f"{what} has no images: check its data_root in docs/data.md")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the known classes, by label."""
        return tuple(self._dataset.metainfo.get("classes") or ())

    def num_classes(self, classes: Sequence[str] | None) -> int | None:
        """Number of known classes; None if they are not the model's: mIoU is meaningless."""
        anomaly_only = self._dataset.metainfo.get("anomaly_only", False)
        same = not anomaly_only and bool(classes) and self.classes == tuple(classes)
        return len(self.classes) if same else None

    def picture(self, index: int) -> np.ndarray:
        """An image as it is tested, (H, W, 3) RGB, for display.

        Raises:
            InputError: The image cannot be read.
        """
        return read_picture(self._dataset.get_data_info(index))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        info = self._dataset.get_data_info(index)
        check_image(self.images[index])
        # Our own data sets name the image; those of the host do not.
        info.setdefault("num_classes", len(self.classes))
        try:
            return self._steps(info)
        except (OSError, AssertionError, cv2.error) as error:
            raise InputError(f"image '{self.images[index]}' cannot be read: {error}") from error
