"""The metric on real samples: against NumPy, scikit-learn, mmseg, and over two processes."""

import logging
import os

import numpy as np
import pytest
import torch
import torch.multiprocessing
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample
from PIL import Image
from sklearn import metrics as sk

from mmosr.evaluation import OpenSetMetric
from mmosr.utils import InputError

from .segmentation_samples import CLASSES, make_sample, run


def expected_open_set(samples, score):
    truth = np.concatenate([sample.gt_sem_seg.data.numpy().ravel() for sample in samples])
    scores = np.concatenate([sample.pred_anomaly.get(score).numpy().ravel() for sample in samples])
    scores, unknown = scores[truth != 255], truth[truth != 255] == 254
    fpr, tpr, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
    missed, accepted, _ = sk.roc_curve(~unknown, -scores, drop_intermediate=False)
    thresholds = np.unique(scores)[::-1]
    f1 = [sk.f1_score(unknown, scores >= threshold) for threshold in thresholds]
    return {
        f"{score}/AUROC": 100 * sk.roc_auc_score(unknown, scores),
        f"{score}/AP": 100 * sk.average_precision_score(unknown, scores),
        f"{score}/AUPR-In": 100 * sk.average_precision_score(~unknown, -scores),
        f"{score}/FPR95": 100 * fpr[np.argmax(tpr >= 0.95)],
        f"{score}/TNR95": 100 * (1 - missed[np.argmax(accepted >= 0.95)]),
        f"{score}/F1": 100 * max(f1),
        f"{score}/F1-threshold": thresholds[np.argmax(f1)],
    }


def expected_closed_set(samples):
    truth = np.concatenate([sample.gt_sem_seg.data.numpy().ravel() for sample in samples])
    prediction = np.concatenate([sample.pred_sem_seg.data.numpy().ravel() for sample in samples])
    matrix = np.zeros((4, 4))
    np.add.at(matrix, (truth[truth < 4], prediction[truth < 4]), 1)
    hits = np.diag(matrix)
    return {
        "aAcc": 100 * hits.sum() / matrix.sum(),
        "mIoU": 100 * np.mean(hits / (matrix.sum(0) + matrix.sum(1) - hits)),
        "mAcc": 100 * np.mean(hits / matrix.sum(1)),
    }


@pytest.mark.parametrize("count", [1, 3])
def test_equals_confusion_matrix_and_scikit_learn(count):
    samples = [make_sample(index) for index in range(count)]
    results = run(samples, max_cells=None)
    expected = expected_closed_set(samples)
    for score in ("msp", "energy"):
        expected.update(expected_open_set(samples, score))
    assert results == pytest.approx(expected, abs=6e-5)  # four decimals
    assert all(type(value) is float for value in results.values())


def test_hand_computed_image():
    sample = SegDataSample(metainfo={"img_path": "hand.png"})
    sample.gt_sem_seg = PixelData(data=torch.tensor([[[0, 0, 1], [254, 254, 255]]]))
    sample.pred_sem_seg = PixelData(data=torch.tensor([[[0, 1, 1], [0, 0, 0]]]))
    # Known 1, 2, 3; unknown 2.5, 4; the ignored pixel has the highest score.
    score = torch.tensor([[[1, 2, 3], [2.5, 4, 9]]])
    sample.pred_anomaly = PixelData(data=score)
    results = run([sample], nan_to_num=0)
    assert results == {
        "aAcc": 66.6667,
        "mIoU": 25.0,  # IoU of the four classes: 1/2, 1/2, and two absent ones as 0
        "mAcc": 37.5,  # 1/2, 1, 0, 0
        "anomaly/AUROC": 83.3333,  # 5 of 6 pairs in order
        "anomaly/AP": 83.3333,  # 1/2 * 1 + 1/2 * 2/3
        "anomaly/AUPR-In": 91.6667,  # of the known, from 1 upwards: 1/1, 2/2, 3/4
        "anomaly/FPR95": 33.3333,
        "anomaly/TNR95": 50.0,  # accepting 3 as well accepts 2.5 and rejects 4
        "anomaly/F1": 80.0,  # 2.5, 3 and 4 are selected
        "anomaly/F1-threshold": 2.5,
    }


def test_ignored_pixels_change_nothing():
    samples = [make_sample(index) for index in range(2)]
    before = run(samples)
    for sample in samples:
        ignored = sample.gt_sem_seg.data == 255
        sample.pred_sem_seg.data[ignored] = 3
        for name in ("msp", "energy"):
            sample.pred_anomaly.get(name)[ignored] = float("nan")
    assert run(samples) == before


def test_unknown_and_ignored_labels_are_kept_apart():
    sample = make_sample(0)
    results = run([sample])
    truth = sample.gt_sem_seg.data
    sample.gt_sem_seg.data = torch.where(truth >= 254, 509 - truth.int(), truth.int())
    swapped = run([sample])
    assert swapped["mIoU"] == results["mIoU"]  # neither is a known class
    assert swapped["msp/AUROC"] != results["msp/AUROC"]
    assert run([sample], unknown_label=255, ignore_label=254) == results


def test_all_known_image_counts_in_the_pool():
    samples = [make_sample(0), make_sample(1, labels=(0, 1, 2, 3))]
    expected = expected_open_set(samples, "energy")
    results = run(samples, scores=["energy"], max_cells=None)
    assert {key: results[key] for key in expected} == pytest.approx(expected, abs=6e-5)
    assert not any(key.startswith("msp") for key in results)


def test_equals_the_host_on_known_labels(caplog):
    samples = [make_sample(index, labels=(0, 1, 2, 3, 255)) for index in range(3)]
    host = Evaluator(IoUMetric(iou_metrics=["mIoU", "mDice"]))
    host.dataset_meta = {"classes": CLASSES}
    expected = host.offline_evaluate(samples)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        results = run(samples, iou_metrics=["mIoU", "mDice"])
    logger.removeHandler(caplog.handler)
    assert results.keys() == expected.keys()  # no open-set figure without unknown pixels
    assert results == pytest.approx(expected, abs=6e-3)  # the host keeps two decimals
    assert "no open-set figures" in caplog.text
    assert "per class results" in caplog.text


def test_summary_table(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        results = run([make_sample(0)], prefix="test")
    logger.removeHandler(caplog.handler)
    columns = ("AUROC", "AP", "AUPR-In", "FPR95", "TNR95", "F1")
    row = ["msp", *(f"{results[f'test/msp/{name}']:.2f}" for name in columns), "1.2"]
    assert results["test/msp/F1-threshold"] == np.float32(1.2)
    assert any(
        [c.strip() for c in line.split("|")[1:-1]] == row for line in caplog.text.split("\n")
    )
    assert f"mIoU {results['test/mIoU']:.2f}" in caplog.text


def test_anomaly_only_data_has_open_set_figures_alone(caplog):
    samples = [make_sample(index, labels=(0, 254, 255)) for index in range(3)]
    evaluator = Evaluator(OpenSetMetric())
    evaluator.dataset_meta = {"classes": ("known",), "anomaly_only": True}
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        results = evaluator.offline_evaluate(samples, chunk_size=2)
    logger.removeHandler(caplog.handler)
    expected = expected_open_set(samples, "msp") | expected_open_set(samples, "energy")
    assert results == pytest.approx(expected, abs=6e-5)
    assert "per class results" not in caplog.text
    assert "known pixels);" not in caplog.text
    samples[1].gt_sem_seg.data[0, 0, 0] = 1
    with pytest.raises(InputError, match=r"scene_1\.png: .* values \[1\]; expected 0\.\.0"):
        evaluator.offline_evaluate(samples, chunk_size=2)


def test_max_cells_is_used():
    samples = [make_sample(index, shape=(40, 50)) for index in range(2)]
    exact, cut = run(samples), run(samples, max_cells=512)
    assert exact["msp/AUROC"] == cut["msp/AUROC"]  # few distinct scores
    assert exact["energy/F1-threshold"] != cut["energy/F1-threshold"]
    assert exact["energy/AUROC"] == pytest.approx(cut["energy/AUROC"], abs=0.5)
    metric = OpenSetMetric(max_cells=512)
    metric.dataset_meta = {"classes": CLASSES}
    metric.process({}, [samples[0].to_dict()])
    assert metric.results[0].histograms["energy"].keys.size <= 512  # before any sum
    with pytest.raises(InputError, match="max_cells=3 is too small"):
        run(samples, max_cells=3)


def test_state_is_reset_and_streams():
    metric = OpenSetMetric()
    metric.dataset_meta = {"classes": CLASSES}
    samples = [make_sample(index).to_dict() for index in range(6)]
    for _ in range(2):
        for sample in samples:
            metric.process({}, [sample])
            assert len(metric.results) <= 2  # not one entry per image
        first = metric.evaluate(6)
        assert metric.results == []
    assert first == run([make_sample(index) for index in range(6)])


def test_order_of_images_does_not_matter():
    samples = [make_sample(index) for index in range(4)]
    assert run(samples) == run(samples[::-1])


def test_area_sums_stay_exact_beyond_float32():
    metric = OpenSetMetric()
    metric.dataset_meta = {"classes": CLASSES}
    metric.process({}, [make_sample(0).to_dict()])
    metric.results[0].areas += 2**24  # float32 has no odd numbers from here on
    before = metric.results[0].areas.clone()
    metric.process({}, [make_sample(1).to_dict()] * 2)
    metric.results = [type(metric.results[0]).total(metric.results)]
    alone = OpenSetMetric()
    alone.dataset_meta = metric.dataset_meta
    alone.process({}, [make_sample(1).to_dict()])
    assert (metric.results[0].areas == before + 2 * alone.results[0].areas).all()


def test_predictions_are_saved_as_the_host_does(tmp_path):
    sample = make_sample(7)
    run([sample], output_dir=str(tmp_path), keep_results=True)
    saved = np.asarray(Image.open(tmp_path / "scene_7.png"))
    np.testing.assert_array_equal(saved, sample.pred_sem_seg.data[0].numpy())
    # Saving changes no figure.
    samples = [make_sample(index) for index in range(3)]
    assert run(samples, output_dir=str(tmp_path / "again")) == run(samples)


def test_format_only_needs_no_ground_truth(tmp_path):
    sample = make_sample(7)
    del sample.gt_sem_seg
    assert run([sample], output_dir=str(tmp_path / "out"), format_only=True) == {}
    assert (tmp_path / "out" / "scene_7.png").is_file()


def test_no_image_gives_no_result():
    metric = OpenSetMetric()
    metric.dataset_meta = {"classes": CLASSES}
    assert metric.evaluate(0) == {}


# Two processes

CASES = [(5, "cpu"), (5, "gpu"), (4, "cpu"), (1, "cpu")]  # images, collect_device


def evaluate_all(rank, folder):
    """Figures of every case on one rank."""
    before = os.getcwd()
    os.chdir(folder)  # mmengine collects through a folder in the working directory
    results = []
    for images, collect_device in CASES:
        metric = OpenSetMetric(collect_device=collect_device, prefix="test")
        metric.dataset_meta = {"classes": CLASSES}
        for index in DefaultSampler(range(images), shuffle=False):
            metric.process({}, [make_sample(index).to_dict()])
        results.append(metric.evaluate(images))
        assert metric.results == []
    os.chdir(before)
    return results


def test_two_processes_equal_one(on_two_ranks, tmp_path):
    found = on_two_ranks(evaluate_all, str(tmp_path))
    expected = [
        run([make_sample(index) for index in range(images)], prefix="test") for images, _ in CASES
    ]
    assert found == [expected, expected]
    # The test can fail: counting the padding twice changes the figures.
    assert run([make_sample(index) for index in (0, 1, 2, 3, 4, 0)], prefix="test") != expected[0]
