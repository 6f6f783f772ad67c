"""Test-time augmentation with anomaly maps."""

import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.structures import SegDataSample

from mmosr.registry import MODELS


@MODELS.register_module()
class OpenSetTTAModel(SegTTAModel):
    """mmseg's ``SegTTAModel`` that also averages the finished anomaly maps of the views.

    By then each view's map is back in the geometry of the source image, and its borders are
    suppressed with the classes predicted for that view, as without test-time augmentation: the
    mean is over the maps that each single view would give. ``pred_open_set`` is left out: a
    threshold chosen for one view does not hold for an average.
    """

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        # The host writes into one of the views, so the maps are taken first.
        maps = [self._mean_maps(views) for views in data_samples_list]
        samples = super().merge_preds(data_samples_list)
        for sample, anomaly in zip(samples, maps, strict=True):
            sample.set_data({"pred_anomaly": anomaly})
            sample.pop("pred_open_set", None)
        return samples

    @staticmethod
    def _mean_maps(views: list[SegDataSample]) -> PixelData:
        names = views[0].pred_anomaly.keys()
        return PixelData(
            **{n: torch.stack([v.pred_anomaly.get(n) for v in views]).mean(0) for n in names}
        )
