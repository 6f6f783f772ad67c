"""Random data samples of mmpretrain with two scores, and the image-level metric on them."""

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from mmosr.evaluation.open_set_recognition_metric import OpenSetRecognitionMetric

CLASSES = 7


def make_sample(index, label=None):
    """A random image: class probabilities, two scores, truth -1..6."""
    rng = np.random.default_rng(index)
    label = int(rng.integers(-1, CLASSES)) if label is None else label
    logits = rng.normal(size=CLASSES) + (0 if label == -1 else 1.5 * np.eye(CLASSES)[label])
    sample = DataSample(metainfo={"img_path": f"/images/{index}.png", "sample_idx": index})
    sample.set_gt_label(label).set_pred_score(torch.from_numpy(logits).float().softmax(0))
    sample.set_pred_label(sample.pred_score.argmax())
    msp = 1 - sample.pred_score.max()
    noise = torch.tensor(round(float(rng.normal(0 if label >= 0 else 1)), 1))
    sample.set_field(msp, "anomaly_score", dtype=torch.Tensor)
    sample.set_field({"msp": msp, "noise": noise}, "anomaly_scores")
    return sample


def make_samples(count=300):
    return [make_sample(index) for index in range(count)]


def run(samples, **kwargs):
    """Evaluate as mmengine's test loop does."""
    evaluator = Evaluator(OpenSetRecognitionMetric(**kwargs))
    return evaluator.offline_evaluate(samples, chunk_size=7)
