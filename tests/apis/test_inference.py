import cv2
import numpy as np
import pytest
import torch

from mmosr.apis import AnomalyInferencer, init_model, load_config
from mmosr.utils import InputError


def _model(files, config="open.py", **options):
    return init_model(files / config, files / "model.pth", "cpu", **options)


@torch.no_grad()
def test_scores_are_those_of_the_logits(files, images):
    inferencer = AnomalyInferencer(_model(files, cfg_options={"model.score": ["msp", "energy"]}))
    data = {key: [value] for key, value in inferencer.prepare(images / "gray.png").items()}
    logits = inferencer.model.test_step(data)[0].seg_logits.data.double().numpy()
    (result,) = inferencer(images / "gray.png")
    exponent = np.exp(logits)
    msp = 1 - (exponent / exponent.sum(0)).max(0)
    np.testing.assert_allclose(result.scores["msp"], msp, atol=1e-6)
    np.testing.assert_allclose(result.scores["energy"], -np.log(exponent.sum(0)), rtol=1e-5)
    np.testing.assert_array_equal(result.score, result.scores["msp"])
    np.testing.assert_array_equal(result.pred, logits.argmax(0))
    assert (result.score.dtype, result.pred.dtype) == (np.float32, np.int64)
    assert result.num_classes == 3


def test_arrays_and_paths_agree_and_sizes_mix_in_a_batch(files, images):
    inferencer = AnomalyInferencer(_model(files))
    paths = [images / "a" / "x.png", images / "wide.png", images / "b" / "x.png"]
    one_by_one = [next(inferencer(path)) for path in paths]
    for batch_size in (2, 3):
        for given in (paths, [cv2.imread(str(path)) for path in paths]):
            results = list(inferencer(given, batch_size))
            assert [r.score.shape for r in results] == [(24, 32), (24, 48), (24, 32)]
            for result, expected in zip(results, one_by_one, strict=True):
                np.testing.assert_allclose(result.score, expected.score, atol=1e-5)


def test_a_plain_model_needs_a_score(files):
    with pytest.raises(InputError, match="gives no anomaly score"):
        AnomalyInferencer(_model(files, "plain.py"))
    assert _model(files, "plain.py", score="energy").score_names == ("energy",)


def test_a_model_of_another_origin_is_named():
    with pytest.raises(InputError, match="'Identity' gives no anomaly score"):
        AnomalyInferencer(torch.nn.Identity())


def test_model_has_its_config_palette_and_weights(files):
    config = load_config(files / "open.py")
    before = config.pretty_text
    model = init_model(config, files / "model.pth", "cpu", score="entropy")
    assert config.pretty_text == before
    assert not model.training
    assert model.dataset_meta["palette"] == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    state = torch.load(files / "model.pth", weights_only=True)["state_dict"]
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_without_a_checkpoint(files, images):
    with pytest.warns(UserWarning, match="the weights of the model are random"):
        model = init_model(files / "open.py", None, "cpu")
    assert not model.training and model.dataset_meta["classes"] == ("a", "b", "c")
    assert next(AnomalyInferencer(model)(images / "gray.png")).score.shape == (24, 32)


def test_wrong_images(files):
    inferencer = AnomalyInferencer(_model(files))
    with pytest.raises(InputError, match="batch size must be at least 1, got 0"):
        inferencer(["x.png"], batch_size=0)
    for given in (torch.zeros(3, 8, 8), [torch.zeros(3, 8, 8)]):
        with pytest.raises(InputError, match="an image is a path, .*; got Tensor"):
            next(inferencer(given))
    with pytest.raises(InputError, match="got generator"):
        next(inferencer(path for path in ["x.png"]))


def test_wrong_arguments(files, images):
    with pytest.raises(InputError, match="config missing.py does not exist"):
        init_model("missing.py", files / "model.pth")
    with pytest.raises(InputError, match="does not exist"):
        init_model(files / "open.py", files / "missing.pth")
    with pytest.raises(InputError, match="score nonsense is not one of"):
        _model(files, score="nonsense")
    with pytest.raises(InputError, match="device 'abacus' cannot be used"):
        init_model(files / "open.py", files / "model.pth", "abacus")
    with pytest.raises(InputError, match="no test pipeline"):
        AnomalyInferencer(_model(files, cfg_options={"test_dataloader": {"_delete_": True}}))
    with pytest.raises(InputError, match="nothing.png' cannot be read"):
        next(AnomalyInferencer(_model(files))(images / "nothing.png"))
