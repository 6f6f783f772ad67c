import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmosr.segmentation import OpenSetTTAModel


class Module(BaseModel):
    out_channels = 2

    def forward(self, inputs, data_samples=None, mode="tensor"):
        return inputs


def view(logits, score):
    sample = SegDataSample(
        seg_logits=PixelData(data=torch.tensor(logits).reshape(2, 1, 1)),
        pred_sem_seg=PixelData(data=torch.zeros(1, 1, 1)),
        pred_anomaly=PixelData(
            data=torch.full((1, 1, 1), score), energy=torch.full((1, 1, 1), 2 * score)
        ),
        pred_open_set=PixelData(data=torch.zeros(1, 1, 1)),
    )
    sample.set_metainfo({"img_path": "a.png"})
    return sample


def test_the_maps_of_all_views_are_averaged():
    model = OpenSetTTAModel(module=Module())
    views = [view([0.0, 3.0], 0.0), view([1.0, 0.0], 10.0)]
    (sample,) = model.merge_preds([views])
    assert sample.pred_anomaly.data.item() == 5
    assert sample.pred_anomaly.energy.item() == 10
    # The prediction is the host's: the mean of the two softmax outputs.
    softmax = np.array([[1, np.e**3], [np.e, 1]])
    softmax /= softmax.sum(1, keepdims=True)
    assert sample.pred_sem_seg.data.item() == softmax.mean(0).argmax() == 1
    assert "pred_open_set" not in sample
