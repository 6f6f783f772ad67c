"""Samples and options that the metric rejects."""

import pytest
import torch
from mmengine.structures import PixelData

from mmosr.evaluation import OpenSetMetric
from mmosr.utils import InputError

from .segmentation_samples import CLASSES, make_sample, run


def test_more_images_than_the_data_set_are_refused():
    metric = OpenSetMetric()
    metric.dataset_meta = {"classes": CLASSES}
    metric.process({}, [make_sample(index).to_dict() for index in range(3)])
    with pytest.raises(RuntimeError, match="3 images of a data set of 2"):
        metric.evaluate(2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_score_names_image_and_score(value):
    sample = make_sample(3)
    known = torch.nonzero(sample.gt_sem_seg.data < 4)[0]
    sample.pred_anomaly.energy[tuple(known)] = value
    with pytest.raises(InputError, match=r"scene_3\.png, score 'energy': 1 of \d+ scores are NaN"):
        run([sample])


def test_missing_score_names_the_available_ones():
    with pytest.raises(InputError, match=r"scene_0\.png: no score \['entropy'\].*energy.*msp"):
        run([make_sample(0)], scores=["msp", "entropy"])


def test_shape_mismatch_names_image():
    sample = make_sample(2)
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, 24, 34, dtype=torch.uint8))
    with pytest.raises(
        InputError, match=r"scene_2\.png: prediction of size \(12, 17\).*\(24, 34\)"
    ):
        run([sample])
    sample.pred_sem_seg = PixelData(data=torch.zeros(1, 24, 34, dtype=torch.int64))
    with pytest.raises(InputError, match=r"scene_2\.png: energy of size \(12, 17\).*\(24, 34\)"):
        run([sample])


def test_unexpected_labels_name_image_and_values():
    sample = make_sample(5)
    sample.gt_sem_seg.data[0, 0, :2] = torch.tensor([4, 253])
    with pytest.raises(InputError, match=r"scene_5\.png: ground truth has values \[4, 253\]"):
        run([sample])


@pytest.mark.parametrize("field", ["gt_sem_seg", "pred_anomaly"])
def test_missing_field_names_image(field):
    sample = make_sample(4)
    delattr(sample, field)
    with pytest.raises(InputError, match=rf"scene_4\.png: .*{field}"):
        run([sample])


def test_scores_must_not_change_between_images():
    samples = [make_sample(0), make_sample(1)]
    samples[1].pred_anomaly = PixelData(data=samples[1].pred_anomaly.data)
    with pytest.raises(InputError, match=r"scene_1\.png: scores \['anomaly'\]"):
        run(samples)


def test_ambiguous_labels_are_refused():
    with pytest.raises(InputError, match="both 255"):
        OpenSetMetric(unknown_label=255)
    with pytest.raises(InputError, match="unknown_label=3 is also one of the 4 known classes"):
        run([make_sample(0)], unknown_label=3)
