"""Data samples and options that the image-level metric rejects."""

import pytest
import torch

from mmosr.evaluation.open_set_recognition_metric import OpenSetRecognitionMetric
from mmosr.utils import InputError

from .image_samples import CLASSES, make_sample


def spoiled(**fields):
    sample = make_sample(0, label=2).to_dict()
    for name, value in fields.items():
        if value is None:
            del sample[name]
        else:
            sample[name] = value
    return sample


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"anomaly_scores": {"msp": torch.tensor(float("nan"))}}, "score 'msp' is nan"),
        ({"anomaly_scores": {"msp": torch.tensor(float("inf"))}}, "score 'msp' is inf"),
        ({"anomaly_scores": {"msp": torch.tensor(1e300, dtype=torch.float64)}}, "'msp' is inf"),
        ({"anomaly_scores": {"msp": torch.zeros(2)}}, "score 'msp' has 2 values"),
        ({"anomaly_scores": None, "anomaly_score": None}, "has no 'anomaly_scores'"),
        ({"pred_score": None}, "has no 'pred_score'"),
        ({"gt_label": None}, "has no 'gt_label'"),
        ({"pred_label": None}, "has no 'pred_label'"),
        ({"pred_score": torch.tensor([float("nan")] * CLASSES)}, "pred_score has NaN"),
        ({"pred_score": torch.zeros(1, CLASSES)}, r"pred_score has shape \(1, 7\)"),
        ({"gt_label": torch.tensor([CLASSES])}, "gt_label is 7: use 0..6 for known"),
        ({"gt_label": torch.tensor([-2])}, "gt_label is -2"),
        ({"gt_label": torch.tensor([1, 2])}, "gt_label has 2 values"),
        ({"pred_label": torch.tensor([CLASSES])}, "pred_label is 7"),
        ({"pred_label": torch.tensor([-1])}, "pred_label is -1"),
    ],
)
def test_bad_samples_are_named(fields, message):
    with pytest.raises(InputError, match=f"^/images/0.png: .*{message}"):
        OpenSetRecognitionMetric().process({}, [spoiled(**fields)])


def test_prediction_must_agree_with_the_class_scores():
    wrong = torch.tensor([make_sample(0, label=2).pred_score.argmin().item()])
    with pytest.raises(InputError, match="has the largest pred_score"):
        OpenSetRecognitionMetric().process({}, [spoiled(pred_label=wrong)])


def test_an_image_without_a_path_is_named_by_its_index():
    sample = spoiled(gt_label=torch.tensor([9]), img_path=None)
    with pytest.raises(InputError, match="^sample 0: gt_label is 9"):
        OpenSetRecognitionMetric().process({}, [sample])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scores": ["odin"]}, "no score 'odin': the model gives msp, noise"),
        ({"topk": (1, CLASSES)}, "top-7 accuracy of 7 classes"),
        ({"thresholds": 0.5}, "one threshold for 2 scores"),
        ({"thresholds": {"msp": 0.5}}, "no entry for the score 'noise'"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_the_first_image(options, message):
    with pytest.raises(InputError, match=message):
        OpenSetRecognitionMetric(**options).process({}, [spoiled()])


@pytest.mark.parametrize(
    "options", [{"ccr_rates": [5]}, {"rejection_rate": 10}, {"rejection_rate": 1}]
)
def test_options_out_of_range(options):
    with pytest.raises(InputError, match=next(iter(options))):
        OpenSetRecognitionMetric(**options)


def test_scores_and_classes_must_not_change_between_images():
    for other in (
        spoiled(anomaly_scores={"msp": torch.tensor(0.0)}),
        spoiled(pred_score=torch.eye(4)[2], pred_label=torch.tensor([2])),
    ):
        metric = OpenSetRecognitionMetric()
        with pytest.raises(InputError, match="differ from the first image"):
            metric.process({}, [spoiled(), other])
