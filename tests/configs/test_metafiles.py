"""The metafiles list every config, and only figures from the documentation."""

import re
from pathlib import Path

import modelindex
import pytest
import yaml

from .support import LEAVES, ROOT

HOME = ROOT.parent
INDEX = yaml.safe_load((HOME / "model-index.yml").read_text())["Import"]
METAFILES = {Path(name).stem: yaml.safe_load((HOME / name).read_text()) for name in INDEX}
MODELS = {
    model["Name"]: (method, model) for method, file in METAFILES.items() for model in file["Models"]
}
MEASURED = [name for name, (_, model) in MODELS.items() if "Results" in model]
PACKAGED = {path.stem for path in (HOME / "mmosr" / "weights").iterdir()}


def test_all_metafiles_are_imported():
    assert sorted(INDEX) == sorted(
        path.relative_to(HOME).as_posix() for path in ROOT.glob("metafiles/*")
    )


def test_the_index_is_valid():
    """As the tool for such files sees it; it also knows the documentation pages."""
    index = modelindex.load(str(HOME / "model-index.yml"))
    assert not index.check(silent=True)
    assert {model.name for model in index.models} == MODELS.keys()


@pytest.mark.parametrize("method", METAFILES)
def test_collection(method):
    (collection,) = METAFILES[method]["Collections"]
    assert collection["Paper"]["Title"] and (ROOT / "metafiles" / collection["README"]).is_file()
    assert (HOME / collection["Code"]["Path"]).is_file()
    assert re.fullmatch(r"v\d+\.\d+\.\d+", collection["Code"]["Version"])
    for model in METAFILES[method]["Models"]:
        assert model["In Collection"] == collection["Name"]


def test_every_config_is_listed_once_with_its_method():
    """Other tests check that each of them loads."""
    listed = [model["Name"] for file in METAFILES.values() for model in file["Models"]]
    assert sorted(f"{name}.py" for name in listed) == LEAVES
    for name, (method, model) in MODELS.items():
        assert model["Config"] == f"configs/{name}.py"
        assert name.split("_")[0].split("-")[0] == method


def test_weights_of_the_package_are_listed():
    weights = [model["Weights"] for _, model in MODELS.values() if "Weights" in model]
    assert sorted(weights) == sorted(f"mmosr://{name}" for name in PACKAGED)


def figures(model):
    """``{score or measure: its figures}`` as they are written, from the text of the metafile."""
    found = {}
    for result in model["Results"]:
        assert result.keys() == {"Task", "Dataset", "Metrics"}
        for measure, value in result["Metrics"].items():
            score = re.search(r"\((\w+)\)$", measure)
            found.setdefault(score[1] if score else measure, []).append(value)
    return found


def lines_of(page):
    """The numbers of each line of a page."""
    return [
        [float(number) for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", line)]
        for line in (HOME / page).read_text().splitlines()
    ]


@pytest.mark.parametrize("name", MEASURED)
def test_every_figure_is_in_the_documentation(name):
    """Those of one score are in one line, in the same order."""
    model = MODELS[name][1]
    lines = lines_of(model["Metadata"]["Documentation"])
    for measure, values in figures(model).items():
        assert any(in_order(values, line) for line in lines), (measure, values)


def in_order(values, line):
    rest = iter(line)
    return all(value in rest for value in values)


@pytest.mark.parametrize("name", [name for name in MODELS if "Metadata" in MODELS[name][1]])
def test_command(name):
    metadata = MODELS[name][1]["Metadata"]
    assert (HOME / metadata["Documentation"]).is_file()
    command = metadata.get("Training Command")
    if command is None:  # the page has none for the choice of settings
        assert "cifar10-4-2" in name
        return
    program, tool, *arguments = command.split()
    assert program == "python" and (HOME / tool).is_file()
    assert f"configs/{name}.py" in arguments
