"""Post-hoc scores: anomaly scores of any trained model."""

from .functional import energy, entropy, max_logit, max_softmax

__all__ = ["energy", "entropy", "max_logit", "max_softmax"]
