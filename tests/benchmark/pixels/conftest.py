"""A tiny model, its data sets and a report of made results, shared by the tests of benchmarks."""

import math

import pytest

from mmosr.benchmark.pixels.protocols import custom_protocol, load_protocol
from mmosr.benchmark.pixels.report import write_report
from mmosr.evaluation.components import ComponentSizes

from .made_results import COMPONENTS, RUN, frame, make, samples
from .support import tiny_benchmark


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    with tiny_benchmark(tmp_path_factory.mktemp("benchmark")) as files:
        yield files


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A report of a data set with published results and a user's own one."""
    out = tmp_path_factory.mktemp("report")
    frames = {"best": [frame(out, 90)], "worst": [frame(out, 10), frame(out, 20)]}
    unknown, scores = samples()
    road = make("road_anomaly", load_protocol("road_anomaly"), unknown, scores, frames=frames)
    own = make(
        "mine",
        custom_protocol("my | roads", "mine.py", ComponentSizes(3, 2)),
        *samples(1),
        max_cells=512,
        closed_set={"aAcc": 91.23456, "mIoU": 42.5, "mAcc": math.nan},
        **COMPONENTS,
    )
    return out, [road, own], write_report(out, [road, own], RUN)
