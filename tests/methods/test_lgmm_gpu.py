"""L-GMM on a GPU: run with ``bash tools/run_tests.sh -m gpu``."""

import copy

import pytest
import torch

from mmosr.methods import GaussianMixtureClassifier

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


@pytest.fixture
def pair():
    """The same classifier on the CPU and on the GPU, and half-precision features."""
    torch.manual_seed(0)
    cpu = GaussianMixtureClassifier(64, 5)
    features = torch.randn(2, 64, 8, 8).half()
    labels = torch.randint(0, 5, (2, 8, 8))
    return cpu, copy.deepcopy(cpu).cuda(), features, labels


def test_scores_equal_those_of_the_cpu_also_under_autocast(pair):
    cpu, gpu, features, _ = pair
    expected = cpu.eval()(features.float())
    gpu.eval()
    for enabled in (False, True):
        with torch.autocast("cuda", enabled=enabled):
            given = gpu(features.cuda())
        assert given.dtype == torch.float32
        for name in cpu.scores:
            torch.testing.assert_close(
                gpu.scores[name](given).cpu(), cpu.scores[name](expected), rtol=0, atol=1e-3
            )


def test_losses_equal_those_of_the_cpu(pair):
    cpu, gpu, features, labels = pair
    expected = cpu.loss(cpu.embed(features.float()), labels)  # every pixel is in the sample
    given = gpu.loss(gpu.embed(features.cuda()), labels.cuda())
    for name, value in expected.items():
        torch.testing.assert_close(given[name].cpu(), value, rtol=1e-4, atol=1e-4)
    assert torch.equal(gpu.memory.counts.cpu(), cpu.memory.counts)
