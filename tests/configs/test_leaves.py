"""The configs stay short, do not repeat each other, and are inherited as the documentation says."""

import ast
import re
from collections import Counter

import pytest
from mmengine.config import Config

from mmosr.config.loading import load_config

from .support import LEAVES, ROOT, leaves

MAX_LINES = 15  # of code, bases included
MAX_REPEATED = 120  # characters of a statement or body that other configs have as well
OVERLAYS = {"method", "schedule", "post_hoc", "open_set_test"}  # keys that a config removes
README = (ROOT.parent / "README.md").read_text()
EXAMPLES = [
    text for text in re.findall(r"```python\n(.+?)```", README, re.S) if "model = d" in text
]


def statements(name):
    """The statements of a config without its bases and comments, each on one line."""
    tree = ast.parse((ROOT / name).read_text())
    return [text for text in map(ast.unparse, tree.body) if not text.startswith("_base_ =")]


def test_no_two_have_the_same_body():
    bodies = {name: statements(name) for name in LEAVES}
    texts = Counter(ast.unparse(ast.parse((ROOT / name).read_text())) for name in LEAVES)
    assert set(texts.values()) == {1}
    for parts in (bodies.values(), [["\n".join(body)] for body in bodies.values()]):
        counts = Counter(text for body in parts for text in set(body))
        assert not [text for text, n in counts.items() if n > 1 and len(text) > MAX_REPEATED]


@pytest.mark.parametrize("name", LEAVES)
def test_is_short(name):
    lines = (ROOT / name).read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith("#")]) <= MAX_LINES


@pytest.mark.parametrize("name", [*LEAVES, "_base_/protocols/*.py"])
def test_nothing_is_left_of_what_was_put_on_top(name):
    for path in ROOT.glob(name):
        assert not OVERLAYS & Config.fromfile(path).keys(), path.name


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_of_the_readme(number, tmp_path):
    """Whole files unchanged; those for another head, on a base with that head."""
    text = EXAMPLES[number]
    if "_base_" not in text:
        text = f'_base_ = "{ROOT}/_base_/models/upernet_swin-t.py"\n{text}'
    path = tmp_path / "mine.py"
    path.write_text(text.replace('"./', f'"{ROOT}/'))
    cfg = load_config(path)
    (node,) = (node for node in ast.parse(text).body if ast.unparse(node).startswith("model = "))
    ours, wanted = leaves(cfg.to_dict()), leaves(eval(ast.unparse(node.value)), "model")
    kept = {key for key in wanted if not key.endswith("._delete_")}
    assert {key: ours[key] for key in kept} == {key: wanted[key] for key in kept}


def test_the_readme_has_its_examples():
    assert len(EXAMPLES) == 5
