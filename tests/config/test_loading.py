import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.apis import get_model

from mmosr.config.loading import load_config, load_run_config
from mmosr.utils import InputError

BASE = """
variable = 3
crop_size = (8, 8)
model = dict(type='Net', backbone=dict(depth=18, norm_cfg=dict(type='SyncBN')),
             heads=[dict(type='Head', norm_cfg=dict(type='SyncBN', momentum=0.1)), None])
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(max_iters=10)
train_dataloader = dict(batch_size=2, dataset=dict(type='D', pipeline=[dict(type='A', size=1)]))
"""


@pytest.fixture
def config(tmp_path):
    """Write a config: the base and further lines; return its path."""

    def write(extra=""):
        path = tmp_path / "config.py"
        path.write_text(BASE + extra)
        return path

    return write


def test_options_change_the_config(config):
    cfg = load_config(
        config(),
        {
            "train_dataloader.batch_size": 4,
            "train_dataloader.dataset.pipeline.0.size": 9,
            "model.heads.0.new": 1,
            "randomness.seed": 5,
            "model.neck.type": "FPN",
            "model.neck.width": 8,
        },
    )
    assert cfg.train_dataloader.batch_size == 4
    assert cfg.train_dataloader.dataset.pipeline == [dict(type="A", size=9)]
    assert cfg.model.heads[0].new == 1
    heads = [dict(type="C"), dict(type="D")]
    assert load_config(config(), {"model.heads": heads}).model.heads == heads
    assert load_config(config("a = [1]"), {"a": [2, 3]}).a == [2, 3]
    changed = load_config(config(), {"model.heads.0": dict(type="E")}).model.heads
    assert changed[0].type == "E" and changed[0].norm_cfg.type == "SyncBN" and changed[1] is None
    assert cfg.randomness.seed == 5
    assert cfg.model.neck == dict(type="FPN", width=8)
    assert cfg.model.backbone.depth == 18


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("optim_wraper.type", "no 'optim_wraper'.*did you mean 'optim_wrapper'"),
        ("max_iters", "did you mean 'train_cfg.max_iters'"),
        ("zzz", "no 'zzz' in the config$"),
        ("model.bakbone.depth", "no 'bakbone' in model; did you mean 'backbone'"),
        ("model.neck.width", "no 'neck' in model"),
        ("model.heads.7.type.x", "no '7' in model.heads, a list of 2"),
        ("train_cfg.max_iters.x", "train_cfg.max_iters is 10 and has no parts"),
        ("model.heads.0", r"set alone: give all of model.heads=\[...\]"),
    ],
)
def test_a_misspelt_option_is_refused(config, key, message):
    with pytest.raises(InputError, match=message):
        load_config(config(), {key: 1})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("optim_wraper = dict()", "unknown key 'optim_wraper'.*did you mean 'optim_wrapper'"),
        ("val_evaluators = dict()", "did you mean 'val_evaluator'"),
        ("custom_hook = []", "did you mean 'custom_hooks'"),
    ],
)
def test_a_misspelt_key_of_the_file_is_refused(config, line, message):
    with pytest.raises(InputError, match=message):
        load_config(config(line))


@pytest.mark.parametrize(
    "line", ["train_dataloader_2 = 1", "train_pipeline = []", "norm_cfg = dict()", "tta_model = 1"]
)
def test_variables_are_no_misspelt_keys(config, line):
    load_config(config(line))


@pytest.mark.parametrize("line", ["a = (", "_base_ = './none.py'", "1 / 0"])
def test_a_config_that_cannot_be_read(config, line):
    path = config(line)
    with pytest.raises(InputError, match=f"config {path} cannot be read") as info:
        load_config(path)
    assert "\n" not in str(info.value)


def test_a_missing_config(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_config(tmp_path / "none.py")


@pytest.mark.parametrize(
    ("base", "key"),
    [
        ("mmseg::_base_/models/fcn_r50-d8.py", "decode_head"),
        ("mmpretrain::_base_/models/resnet18.py", "head"),
    ],
)
def test_configs_of_the_hosts_are_found(tmp_path, base, key):
    path = tmp_path / "config.py"
    path.write_text(f"_base_ = ['{base}']")
    assert key in load_config(path).model


PREPROCESSOR = "data_preprocessor = dict(mean=[1.0, 2.0, 3.0], std=[4.0] * 3, to_rgb=True)\n"


class TestDataPreprocessor:
    """The top-level one becomes the model's, as in mmengine and mmpretrain."""

    def test_of_the_top(self, config):
        cfg = load_config(config(PREPROCESSOR), {"data_preprocessor.to_rgb": False})
        assert cfg.model.data_preprocessor == dict(
            mean=[1.0, 2.0, 3.0], std=[4.0] * 3, to_rgb=False
        )
        cfg.model.data_preprocessor.type = "Written"  # as mmpretrain's classifier does
        assert "type" not in cfg.data_preprocessor

    def test_of_the_model_wins(self, config):
        cfg = load_config(config(PREPROCESSOR + "model['data_preprocessor'] = dict(mean=[9.0])"))
        assert cfg.model.data_preprocessor == dict(mean=[9.0])

    def test_without_a_model(self, tmp_path):
        path = tmp_path / "data.py"
        path.write_text(PREPROCESSOR)
        assert "model" not in load_config(path)

    def test_neither(self, config):
        assert "data_preprocessor" not in load_config(config()).model

    def test_as_mmpretrain(self, config):
        path = config(PREPROCESSOR + "default_scope = 'mmpretrain'")
        path.write_text(
            path.read_text()
            + """
model = dict(
    type="ImageClassifier", backbone=dict(type="LeNet5", num_classes=10),
    head=dict(type="ClsHead", loss=dict(type="CrossEntropyLoss")))
"""
        )
        expected = get_model(str(path)).data_preprocessor
        init_default_scope("mmpretrain")
        model = MODELS.build(load_config(path).model)
        assert torch.equal(model.data_preprocessor.mean, expected.mean)
        assert model.data_preprocessor.mean.flatten().tolist() == [1.0, 2.0, 3.0]
        assert torch.equal(model.data_preprocessor.std, expected.std)
        assert model.data_preprocessor.to_rgb is expected.to_rgb is True

    def test_a_part_that_only_the_top_has(self, config):
        with pytest.raises(
            InputError, match="no 'data_preprocessor' in model; did you mean 'data_"
        ):
            load_config(config(PREPROCESSOR), {"model.data_preprocessor.to_rgb": False})


def test_work_dir(config):
    path = config()
    assert load_run_config(path).work_dir == "work_dirs/config"
    assert load_run_config(path, {"work_dir": "own"}).work_dir == "own"
    cfg = load_run_config(path, {"work_dir": "own"}, "here", "pytorch")
    assert (cfg.work_dir, cfg.launcher) == ("here", "pytorch")
