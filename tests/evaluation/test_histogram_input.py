"""The score histogram: types of input, constant memory, and what is rejected."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmosr.evaluation import histogram as module
from mmosr.evaluation.histogram import (
    MAX_CELLS,
    ScoreHistogram,
    count_numpy,
    count_torch,
    merge_all,
)
from mmosr.utils import InputError

from .histogram_cases import any_scores, assert_identical, kinds, seeds

# Tensors and other types


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(0, 3000), kinds, st.sampled_from([512, 1000, None]))
def test_torch_path_gives_the_same_arrays(seed, size, kind, max_cells):
    scores, unknown = any_scores(seed, size, kind)
    assert_identical(
        count_torch(torch.from_numpy(scores), torch.from_numpy(unknown), max_cells),
        count_numpy(scores, unknown, max_cells),
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["patterns", "normal", "offset", "tied"])
@pytest.mark.parametrize("max_cells", [512, MAX_CELLS, None])
def test_gpu_gives_the_same_arrays(monkeypatch, kind, max_cells):
    monkeypatch.setattr(module, "CHUNK", 30_000)
    scores, unknown = any_scores(1, 100_000, kind)
    expected = ScoreHistogram.from_scores(scores, unknown, max_cells)
    on_gpu = torch.from_numpy(scores).cuda()
    for mask in (unknown, torch.from_numpy(unknown), torch.from_numpy(unknown).cuda()):
        assert_identical(ScoreHistogram.from_scores(on_gpu, mask, max_cells), expected)
    on_gpu[[3, 70_000]] = float("nan")
    with pytest.raises(InputError, match="2 of 100000 scores are NaN"):
        ScoreHistogram.from_scores(on_gpu, unknown)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_give_the_same_histogram(dtype):
    scores = torch.tensor([[0.5, -2.0], [8.0, 0.25]], dtype=dtype, requires_grad=True)
    unknown = torch.tensor([[True, False], [True, True]])
    expected = ScoreHistogram.from_scores([0.5, -2.0, 8.0, 0.25], [1, 0, 1, 1])
    assert_identical(ScoreHistogram.from_scores(scores, unknown), expected)
    assert_identical(ScoreHistogram.from_scores(scores, unknown.numpy().astype(int)), expected)
    assert_identical(
        ScoreHistogram.from_scores(scores.detach().double().numpy(), unknown), expected
    )


def test_non_contiguous_input():
    scores = np.arange(12, dtype=np.float32).reshape(3, 4)
    unknown = scores > 6
    expected = ScoreHistogram.from_scores(scores.T[::2].copy(), unknown.T[::2].copy())
    assert_identical(ScoreHistogram.from_scores(scores.T[::2], unknown.T[::2]), expected)
    assert_identical(
        ScoreHistogram.from_scores(
            torch.from_numpy(scores).T[::2], torch.from_numpy(unknown).T[::2]
        ),
        expected,
    )


def test_input_is_left_alone():
    scores = np.array([3.0, -1.0, 2.0], np.float32)
    ScoreHistogram.from_scores(scores, [1, 0, 0])
    assert scores.tolist() == [3.0, -1.0, 2.0]


# Memory


def test_memory_of_one_large_call_is_constant():
    """16 million scores in one call take no more than the arrays of one chunk and two sums."""
    code = """if True:
        import re
        import numpy as np
        from mmosr.evaluation.histogram import ScoreHistogram
        def memory(field):
            status = open("/proc/self/status").read()
            return int(re.search(field + r":\\s+(\\d+)", status)[1]) / 1024
        rng = np.random.default_rng(0)
        scores, unknown = np.empty(2**24, np.float32), np.zeros(2**24, np.uint8)
        for chunk in np.split(scores, 64):
            rng.standard_normal(dtype=np.float32, out=chunk)
        unknown[::20] = 1
        base = memory("VmRSS")
        histogram = ScoreHistogram.from_scores(scores, unknown)
        print(histogram.num_unknown, memory("VmHWM") - base)
    """
    if not Path("/proc/self/status").is_file():
        pytest.skip("needs /proc")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unknown, megabytes = run.stdout.split()
    assert int(unknown) == -(-(2**24) // 20)
    assert float(megabytes) < 64


# Errors


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e39])
def test_non_finite_scores_are_refused(value):
    message = "1 of 3 scores are NaN, infinite or beyond float32"
    scores = np.array([0.0, value, 1.0])
    for given_scores in (scores, scores.tolist(), torch.from_numpy(scores)):
        with pytest.raises(InputError, match=message):
            ScoreHistogram.from_scores(given_scores, [0, 1, 0])


def test_float16_overflow_is_refused():
    logits = torch.tensor([70000.0, 1.0, -70000.0]).half()
    with pytest.raises(InputError, match="2 of 3 scores are NaN, infinite"):
        ScoreHistogram.from_scores(logits, [1, 0, 0])


def test_non_finite_scores_of_all_chunks_are_counted(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 10)
    scores = np.zeros(35, np.float32)
    scores[[0, 9, 10, 34]] = np.nan
    with pytest.raises(InputError, match="4 of 35 scores"):
        ScoreHistogram.from_scores(scores, np.zeros(35))


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match=re.escape("shape (2,) and unknown mask of shape (1,)")):
        ScoreHistogram.from_scores([1.0, 2.0], [True])
    with pytest.raises(InputError, match=re.escape("shape (2, 1) and unknown mask of shape (2,)")):
        ScoreHistogram.from_scores(torch.zeros(2, 1), torch.zeros(2))
    with pytest.raises(InputError, match="max_cells=511 is too small: choose at least 512"):
        ScoreHistogram.from_scores([1.0], [True], max_cells=511)
    with pytest.raises(InputError, match="max_cells=0"):
        merge_all([], max_cells=0)


def test_module_needs_no_host():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['mmengine', 'mmseg', 'torch']))\n"
        "from mmosr.evaluation import ScoreHistogram, figures\n"
        "print(figures(ScoreHistogram.from_scores([1, 2, 3], [0, 1, 0]))['AUROC'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "0.5"
