"""The weights that come with the package: they find unknown objects at once."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmosr.apis import AnomalyInferencer, init_model
from mmosr.datasets import DEMO_CLASS_IDS, draw_scene
from mmosr.engine.packaged_weights import FOLDER

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def test_each_has_its_config_and_how_it_was_made():
    assert NAMES == ["lgmm-outliers_deeplabv3plus_demo", "softmax_deeplabv3plus_demo"]
    for name in NAMES:
        assert f"mmosr://{name}" in (CONFIGS / f"{name}.py").read_text()
        assert (FOLDER / f"{name}.safetensors").stat().st_size <= 1_000_000
        assert (CONFIGS / f"{name}-long.py").is_file()


@pytest.fixture(scope="module")
def scenes():
    """Ten scenes of set 5, which the weights have not seen, with unknown objects."""
    return [draw_scene(17_000_000 + index, unknown=True) for index in range(10)]


@pytest.mark.parametrize("name", NAMES)
def test_on_new_scenes(scenes, name):
    model = init_model(CONFIGS / f"{name}.py", f"mmosr://{name}")
    assert model.dataset_meta["classes"][2] == "building"
    results = list(AnomalyInferencer(model)([picture for picture, _ in scenes]))
    labels = np.stack([label for _, label in scenes])
    score, pred = (np.stack([getattr(r, key) for r in results]) for key in ("score", "pred"))
    known = np.isin(labels, DEMO_CLASS_IDS)
    accuracy = (np.array(DEMO_CLASS_IDS)[pred] == labels)[known].mean()
    assert accuracy > 0.95
    auroc = roc_auc_score((labels == 254)[labels < 255], score[labels < 255])
    assert auroc > (0.93 if name.startswith("lgmm-outliers") else 0.5)


def test_the_example_of_the_readme(monkeypatch, capsys):
    text = (ROOT / "README.md").read_text()
    (example,) = [
        code for code in re.findall(r"```python\n(.*?)```", text, re.S) if "draw_" in code
    ]
    monkeypatch.chdir(ROOT)
    exec(compile(example, "README.md", "exec"), {})
    shape, unknown, known = re.fullmatch(
        r"\((.*)\) (\S+) (\S+)\n", capsys.readouterr().out
    ).groups()
    assert shape == "128, 256" and float(unknown) > float(known) + 2
