"""The protocols as data: their schema, their numbers, and the errors for ones that do not exist."""

import json
import re
from pathlib import Path

import pytest

from mmosr.benchmark.pixels.protocols import PROTOCOLS, custom_protocol, load_protocol
from mmosr.evaluation.components import ComponentSizes
from mmosr.evaluation.curves import figures
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.utils import InputError

ROOT = Path(__file__).parents[3]
NAMES = (
    "fishyscapes_lost_and_found",
    "fishyscapes_static",
    "road_anomaly",
    "road_anomaly_21",
    "road_obstacle_21",
    "lost_and_found",
    "street_hazards",
    "bdd_anomaly",
    "camvid",
    "demo",
)
CONTENT = json.loads((ROOT / "mmosr/benchmark/pixels/protocols.json").read_text(encoding="utf-8"))
PROTOCOL = {
    "identifier": str,
    "version": int,
    "title": str,
    "source": str,
    "known": str,
    "unknown": str,
    "ignored": str,
    "components": (dict, type(None)),
    "published": list,
}
PUBLISHED = {
    "method": str,
    "backbone": (str, type(None)),
    "source": str,
    "unknown_data": bool,
    "resynthesis": bool,
    "AUROC": (float, type(None)),
    "AP": (float, type(None)),
    "FPR95": (float, type(None)),
    "note": str,
}


def check(entry, schema, may_be_empty=()):
    assert entry.keys() == schema.keys()
    for key, kind in schema.items():
        assert isinstance(entry[key], kind), key
        if isinstance(entry[key], str):
            assert entry[key].strip() == entry[key]
            assert entry[key] or key in may_be_empty, key


def test_identifiers_are_those_of_the_configs():
    assert PROTOCOLS.names == NAMES
    folder = ROOT / "configs/_base_/benchmarks"
    assert {path.stem for path in folder.glob("*.py")} == set(NAMES)
    for path in folder.glob("*.py"):
        assert f'protocol="{path.stem}"' in path.read_text()


@pytest.mark.parametrize("entry", CONTENT["protocols"], ids=NAMES)
def test_schema(entry):
    check(entry, PROTOCOL)
    assert re.fullmatch("[a-z0-9_]+", entry["identifier"])
    assert entry["version"] == 1 and not isinstance(entry["version"], bool)
    if entry["components"] is not None:
        check(entry["components"], {"predicted": int, "true": int})
    for row in entry["published"]:
        check(row, PUBLISHED, may_be_empty=("note",))
        values = [row[key] for key in ("AUROC", "AP", "FPR95") if row[key] is not None]
        assert values and all(0 < value < 100 for value in values)
    keys = [(row["method"], row["source"]) for row in entry["published"]]
    assert len(set(keys)) == len(keys)


def test_rules_name_every_figure():
    pixel, components = CONTENT["rules"]["pixel"], CONTENT["rules"]["components"]
    named = figures(ScoreHistogram.from_scores([0.0, 1.0], [False, True]))
    assert set(pixel) == {"all", *named}
    assert set(components) == {"components", "sIoU", "PPV", "F1*"}
    assert ">= 0.95" in pixel["FPR95"] and "pooled" in pixel["all"]
    assert load_protocol("road_anomaly").rules == pixel
    assert load_protocol("road_anomaly_21").rules == {**pixel, **components}


def test_component_sizes():
    sizes = {name: load_protocol(name).components for name in NAMES}
    assert sizes.pop("road_anomaly_21") == ComponentSizes(predicted=500, true=100)
    assert sizes.pop("road_obstacle_21") == ComponentSizes(predicted=50, true=10)
    assert sizes.pop("demo") == ComponentSizes(predicted=10, true=5)
    assert set(sizes.values()) == {None}


# AUROC, AP, FPR95 and whether unknown data and resynthesis were used.
LOST_AND_FOUND = {
    "SynthCP": (88.34, 6.54, 45.95, True, True),
    "SynBoost": (96.21, 60.58, 31.02, True, True),
    "MSP": (86.99, 6.02, 45.63, False, False),
    "Entropy": (88.32, 13.91, 44.85, False, False),
    "SML": (96.88, 36.55, 14.53, False, False),
    "Mahalanobis": (92.51, 27.83, 30.17, False, False),
    "L-GMM-DeepLabV3+": (97.31, 45.42, 14.15, False, False),
    "L-GMM-SegFormer": (97.76, 48.75, 13.21, False, False),
    "GMMSeg": (None, None, 12.55, False, False),
    "RbA": (None, 60.96, 10.63, False, False),
}
ROAD_ANOMALY = {
    "SynthCP": (76.08, 24.86, 64.69, True, True),
    "SynBoost": (81.91, 38.21, 64.75, True, True),
    "MSP": (73.76, 20.59, 68.44, False, False),
    "Entropy": (75.12, 22.38, 68.15, False, False),
    "SML": (81.96, 25.82, 49.74, False, False),
    "Mahalanobis": (76.73, 22.85, 59.20, False, False),
    "L-GMM-DeepLabV3+": (85.01, 34.73, 48.21, False, False),
    "L-GMM-SegFormer": (89.41, 58.13, 45.29, False, False),
    "GMMSeg": (None, None, 44.34, False, False),
    "RbA": (None, 78.45, 11.83, False, False),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("fishyscapes_lost_and_found", LOST_AND_FOUND), ("road_anomaly", ROAD_ANOMALY)],
)
def test_published_numbers(name, expected):
    found = {
        row.method: (row.AUROC, row.AP, row.FPR95, row.unknown_data, row.resynthesis)
        for row in load_protocol(name).published
    }
    assert found == expected
    sources = {row.method: row.source for row in load_protocol(name).published}
    assert sources["MSP"] == sources["L-GMM-SegFormer"] == "L-GMM, Table 6"


def test_nothing_else_is_published():
    for name in set(NAMES) - {"fishyscapes_lost_and_found", "road_anomaly"}:
        assert load_protocol(name).published == ()


def test_a_protocol_is_loaded_as_it_is_written():
    protocol = load_protocol("road_obstacle_21")
    assert (protocol.identifier, protocol.version) == ("road_obstacle_21", 1)
    assert protocol.title == "SegmentMeIfYouCan RoadObstacle21, validation, 30 images"
    assert protocol.known == "label 0: the road"
    assert protocol.unknown == "label 1: obstacles on the road"
    assert protocol.ignored == "label 255: everything off the road"


def test_an_unknown_protocol_names_similar_ones():
    with pytest.raises(InputError, match="'road_anomly': did you mean road_anomaly or "):
        load_protocol("road_anomly")
    with pytest.raises(InputError, match="'x': choose from fishyscapes_lost_and_found, .*, demo$"):
        load_protocol("x")


def test_custom_protocol():
    protocol = custom_protocol("my roads", "my.py", ComponentSizes(3, 2))
    assert (protocol.identifier, protocol.version, protocol.title) == ("custom", 0, "my roads")
    assert (protocol.source, protocol.published) == ("my.py", ())
    assert protocol.components == ComponentSizes(3, 2)
    assert custom_protocol("my roads").components is None
    assert "custom" not in PROTOCOLS.names
