import subprocess
import sys

import pytest

from mmosr.utils import environment
from mmosr.utils.environment import check_environment, release


@pytest.fixture
def installed(monkeypatch):
    """Replace what is installed by a dict of distributions and versions."""

    def use(distributions, modules=()):
        monkeypatch.setattr(environment, "installed_version", distributions.get)
        monkeypatch.setattr(environment, "find_spec", lambda name: name in modules or None)

    return use


SUCCESSORS = {
    "torch": "2.15.0+cu130",
    "torchvision": "0.29.2",
    "numpy": "2.4.6",
    "opencv-python-headless": "4.9.0",
    "scikit-learn": "1.9.1",
    "matplotlib": "3.11.2",
    "safetensors": "0.8.0",
    "psutil": "7.2.2",
    "onedl-mmengine": "0.10.12",
    "onedl-mmcv": "2.3.6",
    "onedl-mmsegmentation": "1.4.2",
    "onedl-mmpretrain": "1.3.6",
    "ftfy": "6.3.1",
    "regex": "2026.1",
}
ORIGINALS = {
    **{key: value for key, value in SUCCESSORS.items() if not key.startswith("onedl")},
    "torch": "2.1.2",
    "torchvision": "0.16.2",
    "numpy": "1.26.4",
    "mmengine": "0.10.7",
    "mmcv": "2.1.0",
    "mmsegmentation": "1.2.2",
    "mmpretrain": "1.2.0",
}


def without(distributions, *names):
    return {key: value for key, value in distributions.items() if key not in names}


def test_this_environment_is_fine():
    check_environment()


@pytest.mark.parametrize("distributions", [SUCCESSORS, ORIGINALS])
def test_both_families_are_accepted(installed, distributions):
    installed(distributions)
    check_environment()


def test_a_source_checkout_is_accepted(installed):
    installed(without(SUCCESSORS, "onedl-mmsegmentation"), modules=["mmseg"])
    check_environment()


def test_all_problems_are_said_in_one_line(installed):
    installed({**without(SUCCESSORS, "onedl-mmsegmentation", "ftfy"), "torch": "1.13.1+cu117"})
    with pytest.raises(ImportError) as info:
        check_environment()
    assert str(info.value) == (
        "mmosr cannot run here: torch 1.13.1+cu117 is too old, mmseg is missing, ftfy is missing. "
        "To fix it: pip install 'torch>=2.1' 'onedl-mmsegmentation>=1.4.0' 'ftfy>=6.0'"
    )


def test_an_old_original_is_fixed_in_its_family(installed):
    installed({**ORIGINALS, "mmsegmentation": "1.0.0"})
    with pytest.raises(ImportError, match="mmsegmentation 1.0.0 is too old.*'mmsegmentation>=1.2"):
        check_environment()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mmcv": "2.2.0"}, "does not work with mmcv 2.2.0.*'mmcv<2.2'"),
        ({"numpy": "2.0.1"}, "torch 2.1.2 does not work with numpy 2.0.1.*'numpy<2'"),
    ],
)
def test_pairs_that_do_not_work_together(installed, change, message):
    installed({**ORIGINALS, **change})
    with pytest.raises(ImportError, match=message):
        check_environment()


def test_operators_that_are_not_there(installed):
    installed({**without(ORIGINALS, "mmcv"), "mmcv-lite": "2.1.0"})
    with pytest.raises(ImportError, match="compiled operators.*'mmcv>=2.0,<2.2'"):
        check_environment()


def test_versions_compare_by_number():
    assert release("0.10.12") > release("0.10.4") > release("0.9")
    assert release("2.15.0+cu130") == (2, 15, 0)
    assert release("2.0.0rc4") == (2, 0, 0)
    assert release("unknown") == ()


def test_the_check_imports_none_of_the_packages():
    code = "import sys, mmosr; print([m for m in ('torch', 'mmengine', 'cv2') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
