"""What every post-hoc score must fulfil.

The test class of a score inherits :class:`ScoreContract` and defines ``name``, ``score`` and a
``reference`` in numpy::

    class TestMaxLogit(ScoreContract):
        name, score = "max_logit", staticmethod(max_logit)

        def reference(self, logits):
            return -logits.max(1)
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from mmosr.registry import SCORES


def as_rows(maps: Tensor) -> Tensor:
    """``(N, C, *S)`` as ``(N * prod(S), C)``."""
    return maps.movedim(1, -1).flatten(0, -2)


class ScoreContract:
    """Tests of a function from logits ``(N, C, *S)`` to scores ``(N, *S)``."""

    name: str
    score: Callable[[Tensor], Tensor]

    def reference(self, logits: np.ndarray) -> np.ndarray:
        """The score of float64 logits ``(N, C)``."""
        raise NotImplementedError

    def logits(self, scale: float = 4.0) -> Tensor:
        """``(2, 5, 4, 3)`` logits in float32."""
        return scale * torch.randn(2, 5, 4, 3, generator=torch.Generator().manual_seed(0))

    def test_registered(self):
        assert SCORES.get(self.name) is self.score

    def test_rows_and_maps_agree(self):
        logits = self.logits()
        maps = self.score(logits)
        assert maps.shape == (2, 4, 3)
        torch.testing.assert_close(maps.flatten(), self.score(as_rows(logits)))
        assert torch.equal(maps[1, 2, 1], self.score(logits[1:, :, 2, 1])[0])

    @pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0, 100.0])
    def test_reference(self, scale):
        rows = as_rows(self.logits(scale))
        expected = self.reference(rows.double().numpy())
        np.testing.assert_allclose(self.score(rows).numpy(), expected, rtol=1e-6, atol=1e-6)
        double = self.score(rows.double()).numpy()
        np.testing.assert_allclose(double, expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_finite_at_large_logits(self, dtype):
        rows = 1e4 * self.logits().sign().to(dtype)
        rows = torch.cat([as_rows(rows), 1e4 * torch.eye(5, dtype=dtype)])
        rows = torch.cat([rows, torch.full((1, 5), 1e4), torch.full((1, 5), -1e4)])
        scores = self.score(rows)
        assert scores.isfinite().all()
        expected = self.reference(rows.double().numpy())
        np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-6, atol=1e-6)

    def test_confident_pixels_keep_their_order(self):
        """In float32 too: ties among confident pixels would distort every rank metric."""
        rows = torch.zeros(40, 5)
        rows[:, 2] = torch.arange(40, 0, -1)
        scores = self.score(rows)
        assert (scores[1:] > scores[:-1]).all()

    def test_order_of_classes_does_not_matter(self):
        logits = self.logits()
        order = torch.tensor([3, 0, 4, 1, 2])
        torch.testing.assert_close(self.score(logits[:, order]), self.score(logits))

    def test_input_is_left_alone(self):
        logits = self.logits()
        before = logits.clone()
        self.score(logits)
        assert torch.equal(logits, before)
