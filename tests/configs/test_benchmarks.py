"""The shipped definitions of benchmarks."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

import mmosr.datasets  # noqa: F401  registers the data sets
from mmosr.benchmark.pixels.protocols import load_protocol

FOLDER = Path(__file__).parents[2] / "configs" / "_base_" / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


def test_every_benchmark_is_defined():
    assert NAMES == [
        "bdd_anomaly",
        "camvid",
        "demo",
        "fishyscapes_lost_and_found",
        "fishyscapes_static",
        "lost_and_found",
        "road_anomaly",
        "road_anomaly_21",
        "road_obstacle_21",
        "street_hazards",
    ]


@pytest.mark.usefixtures("mmseg_scope")
@pytest.mark.parametrize("name", NAMES)
class TestBenchmark:
    def test_protocol(self, name):
        benchmark = Config.fromfile(FOLDER / f"{name}.py").benchmark
        assert set(benchmark) == {"protocol", "dataset"}
        assert benchmark.protocol == name
        assert load_protocol(name).identifier == name

    def test_data_set(self, name):
        cfg = Config.fromfile(FOLDER / f"{name}.py").benchmark.dataset
        assert cfg.data_root == ("data/demo_scenes" if name == "demo" else f"data/{name}")
        dataset = DATASETS.build(dict(cfg, lazy_init=True, test_mode=True, pipeline=[]))
        assert type(dataset).__name__ == cfg.type.removeprefix("mmosr.")
        classes = dataset.metainfo["classes"]
        assert (classes == ("known",)) == bool(dataset.metainfo.get("anomaly_only"))
