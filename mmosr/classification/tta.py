"""Test-time augmentation of images with anomaly scores."""

import torch
from mmpretrain.models import AverageClsScoreTTA
from mmpretrain.structures import DataSample

from mmosr.registry import MODELS


@MODELS.register_module()
class OpenSetClsTTAModel(AverageClsScoreTTA):
    """mmpretrain's ``AverageClsScoreTTA`` that also averages the anomaly scores of the views.

    The label is that of the largest averaged class score; the host keeps the first view's.
    ``pred_open_set`` is left out: a threshold chosen for one view is not valid for an average.
    """

    def _merge_single_sample(self, data_samples: list[DataSample]) -> DataSample:
        sample = super()._merge_single_sample(data_samples)
        sample.set_pred_label(sample.pred_score.argmax())
        sample.pop("pred_open_set", None)
        views = [view.get("anomaly_scores", {}) for view in data_samples]
        means = {name: torch.stack([view[name] for view in views]).mean() for name in views[0]}
        if means:
            sample.set_field(next(iter(means.values())), "anomaly_score")
            sample.set_field(means, "anomaly_scores")
        return sample
