"""Names that are imported when they are first used."""

import subprocess
import sys

import pytest

import mmosr.datasets
import mmosr.evaluation

HOSTS = {"mmseg", "mmpretrain", "mmcv", "torchvision"}
DRAWING = {"matplotlib", "sklearn", "scipy.optimize"}


def imported(code):
    """Modules of a fresh process that has run ``code``."""
    code += "\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import mmosr", {"torch", "mmengine", "numpy", "cv2"}),
        ("import mmosr; from mmosr.scores import energy", HOSTS | DRAWING),
        ("from mmosr.methods import GaussianMixture", HOSTS | DRAWING),
        ("from mmosr.datasets import draw_scene", HOSTS | DRAWING | {"torch", "mmengine"}),
        ("from mmosr.evaluation import auroc", HOSTS | DRAWING | {"torch", "mmengine"}),
    ],
)
def test_parts_do_without_what_others_need(code, absent):
    found = imported(code)
    assert "mmosr" in found and not found & absent


@pytest.mark.parametrize("package", [mmosr.datasets, mmosr.evaluation])
def test_every_name_is_there(package):
    assert package.__all__ == dir(package)
    for name in package.__all__:
        assert getattr(package, name).__class__.__name__ != "module", name


def test_a_wrong_name_is_an_error_like_any_other():
    with pytest.raises(AttributeError, match="module 'mmosr.datasets' has no attribute 'Cams'"):
        mmosr.datasets.Cams  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Cams'"):
        from mmosr.datasets import Cams  # noqa: F401
