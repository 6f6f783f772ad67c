"""The image-level metric on data samples of mmpretrain, as mmengine's loops call it."""

import logging
import os

import numpy as np
import pytest
import torch
import torch.multiprocessing
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmpretrain.evaluation import Accuracy
from mmpretrain.structures import DataSample
from sklearn import metrics as sk

from mmosr.evaluation.image_table import read_image_table
from mmosr.evaluation.open_set_recognition_metric import OpenSetRecognitionMetric
from mmosr.evaluation.rejection import rejection_threshold
from mmosr.registry import METRICS

from .image_samples import CLASSES, make_sample, make_samples, run


def arrays(samples, score):
    truth = np.array([sample.gt_label.item() for sample in samples])
    predictions = np.array([sample.pred_label.item() for sample in samples])
    scores = np.array([sample.anomaly_scores[score].item() for sample in samples])
    return scores, predictions, truth


def loop_ccr(scores, predictions, truth, rate):
    best = 0
    for threshold in set(scores):
        accepted = scores <= threshold
        if np.mean(accepted[truth == -1]) <= rate:
            best = max(best, np.mean((accepted & (predictions == truth))[truth != -1]))
    return best


def test_equals_scikit_learn_loops_and_the_host():
    samples = make_samples()
    results = run(samples, topk=(1, 5), ccr_rates=(0.02, 0.3))
    expected = {}
    for score in ("msp", "noise"):
        scores, predictions, truth = arrays(samples, score)
        unknown = truth == -1
        fpr, tpr, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
        false_in, true_in, _ = sk.roc_curve(~unknown, -scores, drop_intermediate=False)
        index = np.argmax(true_in >= 0.95)
        right = (predictions == truth)[~unknown]
        pairs = scores[~unknown][:, None] - scores[unknown]
        wins = np.where(pairs < 0, 1, np.where(pairs == 0, 0.5, 0))
        figures = {
            "AUROC": sk.roc_auc_score(unknown, scores),
            "AUPR-In": sk.average_precision_score(~unknown, -scores),
            "AUPR-Out": sk.average_precision_score(unknown, scores),
            "FPR95": fpr[np.argmax(tpr >= 0.95)],
            "TNR95": 1 - false_in[index],
            "detection-error": 0.5 * (1 - true_in[index]) + 0.5 * false_in[index],
            "detection-error-min": np.min(0.5 * (1 - true_in) + 0.5 * false_in),
            "CCR2": loop_ccr(scores, predictions, truth, 0.02),
            "CCR30": loop_ccr(scores, predictions, truth, 0.3),
            "OSCR": np.mean(wins * right[:, None]),
        }
        expected.update({f"{score}/{name}": 100 * value for name, value in figures.items()})
    known = [sample for sample in samples if sample.gt_label.item() != -1]
    host = Evaluator(Accuracy(topk=(1, 5))).offline_evaluate(known)
    expected.update(host)
    assert results.keys() == expected.keys()
    assert results == pytest.approx(expected, abs=1e-4)


def test_hand_computed_run():
    def sample(label, prediction, score):
        scores = torch.full((3,), 0.1)
        scores[prediction] = 0.8
        data = DataSample(metainfo={"img_path": "x.png"}).set_gt_label(label)
        data.set_pred_score(scores).set_pred_label(prediction)
        data.set_field(torch.tensor(score), "anomaly_score", dtype=torch.Tensor)
        return data

    samples = [
        sample(0, 0, 1.0), sample(-1, 0, 2.0), sample(1, 1, 3.0), sample(-1, 2, 3.0),
        sample(2, 0, 4.0), sample(2, 2, 5.0), sample(-1, 1, 6.0),
    ]  # fmt: skip
    results = run(samples, thresholds=3.0, ccr_rates=[0.7])
    assert results["accuracy/top1"] == 75
    # Of 12 pairs: 2 beats 1; 3 beats 1 and ties with 3; 6 beats all four.
    assert results["anomaly/AUROC"] == pytest.approx(100 * 6.5 / 12, abs=1e-4)
    assert results["anomaly/CCR70"] == 75
    assert results["anomaly/OSCR"] == pytest.approx(100 * 11 / 24, abs=1e-4)
    assert results["anomaly/macro-F1"] == 50  # 2/3, 1, 0 and, of unknown, 1/3


def test_of_tied_class_scores_the_label_of_the_model_comes_first():
    """Top-1 is the accuracy of the labels, which bounds the CCR, whichever of the ties they are."""
    samples = []
    for label, prediction in ((0, 2), (1, 2), (2, 2), (2, 2), (-1, 1)):
        data = DataSample(metainfo={"img_path": "x.png"}).set_gt_label(label)
        data.set_pred_score(torch.tensor([0.1, 0.4, 0.4, 0.1])).set_pred_label(prediction)
        anomaly = torch.tensor(0.1 if label >= 0 else 0.9)
        data.set_field(anomaly, "anomaly_score", dtype=torch.Tensor)
        samples.append(data)
    results = run(samples, topk=(1, 2, 3), ccr_rates=[1])
    assert results["accuracy/top1"] == results["anomaly/OSCR"] == results["anomaly/CCR100"] == 50
    # Class 1 is the second guess after 2; class 0 the third, before 3.
    assert (results["accuracy/top2"], results["accuracy/top3"]) == (75, 100)


def test_macro_f1_with_the_threshold_of_a_validation_run():
    validation = [make_sample(1000 + i, label=i % CLASSES) for i in range(70)]
    found = run(validation, rejection_rate=0.1)
    assert found.keys() == {"accuracy/top1", "msp/rejection-threshold", "noise/rejection-threshold"}
    scores = arrays(validation, "msp")[0]
    assert found["msp/rejection-threshold"] == rejection_threshold(scores, 0.1)
    assert np.sum(scores > found["msp/rejection-threshold"]) == 7

    samples = make_samples()
    thresholds = {name: found[f"{name}/rejection-threshold"] for name in ("msp", "noise")}
    results = run(samples, thresholds=thresholds)
    for score, threshold in thresholds.items():
        scores, predictions, truth = arrays(samples, score)
        labels = np.where(scores > threshold, -1, predictions)
        expected = 100 * sk.f1_score(truth, labels, average="macro")
        assert results[f"{score}/macro-F1"] == pytest.approx(expected, abs=1e-4)
    assert "msp/macro-F1" not in run(samples)


def test_rejection_rate_is_an_option():
    validation = [make_sample(i, label=0) for i in range(50)]
    scores = arrays(validation, "msp")[0]
    found = run(validation, scores="msp", rejection_rate=0.5)
    assert np.sum(scores > found["msp/rejection-threshold"]) == 25


def test_scores_are_chosen_by_name():
    keys = run(make_samples(40), scores="noise").keys()
    assert not any(key.startswith("msp/") for key in keys)
    assert "noise/AUROC" in keys
    assert list(run(make_samples(40), scores=["noise", "msp"]))[1].startswith("noise/")


def test_one_threshold_of_a_chosen_score():
    assert "msp/macro-F1" in run(make_samples(40), scores=["msp"], thresholds=0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_of_the_scores(dtype):
    samples = make_samples(60)
    for sample in samples:
        value = sample.anomaly_scores["msp"].to(dtype)
        sample.set_field({"msp": value}, "anomaly_scores")
    scores, _, truth = arrays(samples, "msp")
    expected = 100 * sk.roc_auc_score(truth == -1, scores.astype(np.float32))
    assert run(samples)["msp/AUROC"] == pytest.approx(expected, abs=1e-4)


def test_is_built_by_name():
    metric = METRICS.build({"type": "mmosr.OpenSetRecognitionMetric", "prefix": "test"})
    assert isinstance(metric, OpenSetRecognitionMetric)
    for sample in make_samples(40):
        metric.process({}, [sample.to_dict()])
    assert "test/msp/AUROC" in metric.evaluate(40)


def test_table_in_the_log(caplog):
    logger = MMLogger.get_instance("recognition-metric")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger=logger.name):
        samples = make_samples()
        results = run(samples, thresholds={"msp": 0.5, "noise": 0.5})
    text = caplog.text
    unknown = sum(sample.gt_label.item() == -1 for sample in samples)
    assert f"{300 - unknown} known and {unknown} unknown images" in text
    assert f"accuracy/top1 {results['accuracy/top1']:.6g}" in text
    for name in ("AUROC", "detection-error", "CCR10", "OSCR", "macro-F1"):
        assert f" {name} " in text
        assert f" {results[f'noise/{name}']:.2f} " in text


def test_unknown_images_alone_and_no_image(caplog):
    logger = MMLogger.get_instance("recognition-metric-unknown")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger=logger.name):
        assert run([make_sample(i, label=-1) for i in range(5)]) == {}
    assert "0 known and 5 unknown images: no figures" in caplog.text
    assert OpenSetRecognitionMetric().evaluate(0) == {}


def test_state_is_reset_and_small():
    metric = OpenSetRecognitionMetric()
    samples = [sample.to_dict() for sample in make_samples(40)]
    metric.process({}, samples)
    assert not any(torch.is_tensor(v) for result in metric.results for v in vars(result).values())
    first = metric.evaluate(40)
    metric.process({}, samples)
    assert metric.evaluate(40) == first


# Two processes

CASES = [(41, "cpu"), (41, "gpu"), (40, "cpu"), (1, "cpu")]  # images, collect_device


def evaluate_all(rank, folder):
    """Figures of every case on one rank."""
    before = os.getcwd()
    os.chdir(folder)  # mmengine collects through a folder in the working directory
    results = []
    for images, collect_device in CASES:
        metric = OpenSetRecognitionMetric(collect_device=collect_device)
        for index in DefaultSampler(range(images), shuffle=False):
            metric.process({}, [make_sample(index).to_dict()])
        results.append(metric.evaluate(images))
    os.chdir(before)
    return results


def test_two_processes_equal_one(on_two_ranks, tmp_path):
    found = on_two_ranks(evaluate_all, str(tmp_path))
    expected = [run(make_samples(images)) for images, _ in CASES]
    assert found == [expected, expected]
    # The test can fail: counting the padding twice changes the figures.
    assert run([*make_samples(41), make_sample(0)]) != expected[0]


def test_out_file(tmp_path):
    """Every image in its order, with all digits."""
    samples = make_samples(20)
    del samples[3].img_path
    figures = run(samples, out_file=tmp_path / "new" / "images.csv")
    assert figures == run(samples)
    table = read_image_table(tmp_path / "new" / "images.csv")
    names = [f"/images/{index}.png" for index in range(20)]
    assert table.images == [*names[:3], "sample 3", *names[4:]]
    assert list(table.scores) == ["msp", "noise"]
    for score, values in table.scores.items():
        expected, predictions, truth = arrays(samples, score)
        assert values.dtype == np.float32 and (values == expected.astype(np.float32)).all()
        assert (table.predictions == predictions).all() and (table.truth == truth).all()
    assert os.listdir(tmp_path / "new") == ["images.csv"]
