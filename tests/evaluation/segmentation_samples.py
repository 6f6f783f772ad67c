"""Random data samples of mmseg with two scores, and the metric on them."""

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmosr.evaluation import OpenSetMetric

CLASSES = ("road", "sky", "car", "tree")


def make_sample(index, labels=(0, 1, 2, 3, 254, 255), shape=(12, 17)):
    """A random image: ground truth, prediction and two scores."""
    rng = np.random.default_rng(index)
    truth = rng.choice(labels, shape)
    prediction = np.where(rng.random(shape) < 0.6, truth % 4, rng.integers(0, 4, shape))
    sample = SegDataSample(metainfo={"img_path": f"/images/scene_{index}.png"})
    sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth)[None].to(torch.uint8))
    sample.pred_sem_seg = PixelData(data=torch.from_numpy(prediction)[None])
    msp = torch.from_numpy(np.round(rng.normal(size=shape) + (truth == 254), 1)).float()[None]
    energy = torch.from_numpy(rng.normal(-30, 2, shape) + 3 * (truth == 254)).float()[None]
    sample.pred_anomaly = PixelData(data=msp, msp=msp, energy=energy)
    return sample


def run(samples, **kwargs):
    """Evaluate as mmengine's test loop does."""
    evaluator = Evaluator(OpenSetMetric(**kwargs))
    evaluator.dataset_meta = {"classes": CLASSES}
    return evaluator.offline_evaluate(samples, chunk_size=2)
