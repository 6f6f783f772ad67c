"""The data of a protocol: from a separate file, and as many images as it says."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mmengine.config import Config

from mmosr.benchmark.images import run_protocol
from mmosr.benchmark.images.config import trial_config
from mmosr.benchmark.images.data import describe_data
from mmosr.benchmark.images.protocols import load_image_protocol
from mmosr.config.lookup import dicts
from mmosr.utils import InputError


def test_data_of_a_file(folder, tmp_path):
    """A method made for other data, with mixed precision and two seeds."""
    text = (folder / "tiny.py").read_text()
    names = ("train_dataloader", "val_dataloader", "test_dataloader", "val_evaluator = test_ev")
    starts = [text.index(f"\n{name}") for name in names] + [text.index("\ntrain_cfg")]
    loaders = text[: text.index("\nmodel = ")] + text[starts[0] : starts[-1]]
    (tmp_path / "data.py").write_text(
        loaders.replace("batch_size=6", "batch_size=5")
        + "\ndata_preprocessor = dict(mean=[110.0] * 3, std=[50.0] * 3, to_rgb=True)\n"
    )
    method = text.replace("num_classes=6", "num_classes=3").replace("max_iters=60", "max_iters=20")
    (tmp_path / "method.py").write_text(method.replace("protocol_a/cifar10", "protocol_a/svhn"))
    methods, out = [tmp_path / "method.py"], tmp_path / "out"
    with pytest.raises(InputError, match=r"; --data configs/_base_/protocols/cifar10_6-4.py gives"):
        run_protocol("cifar10_6-4", methods, out, [2])
    run = run_protocol(
        "cifar10_6-4", methods, out, [2], data=tmp_path / "data.py", amp=True, seeds=[0, 5]
    )
    assert list(run.results["method"]) == ["2 seed 0", "2 seed 5"]
    for seed in (0, 5):
        cfg = Config.fromfile(out / f"method/trial_2_seed_{seed}/config.py")
        assert cfg.randomness.seed == 2 + seed == run.results["method"][f"2 seed {seed}"]["seed"]
        assert cfg.optim_wrapper.type == "AmpOptimWrapper"
        assert (cfg.model.head.num_classes, cfg.train_dataloader.batch_size) == (6, 6)
        assert cfg.model.data_preprocessor.mean == [110.0] * 3
        assert {node["trial"] for node in dicts(cfg.test_dataloader) if "trial" in node} == {2}
    report = json.loads((out / "protocol.json").read_text())["methods"]["method"]
    both = [result["figures"]["cac/AUROC"] for result in run.results["method"].values()]
    assert report["figures"]["cac/AUROC"]["std"] == pytest.approx(np.std(both))
    assert "| 2 seed 0, 2 seed 5 |" in (out / "protocol.md").read_text()


def test_ratio(folder, tmp_path):
    """As many unknown as known images, if the protocol says so."""
    protocol = load_image_protocol("cifar10_6-4")
    cfg = trial_config(Config.fromfile(folder / "tiny.py"), protocol, 0)
    assert describe_data(cfg, replace(protocol, ratio=12 / 18))["test"]["unknown"] == 12
    with pytest.raises(InputError, match="18 known and 12 unknown images, .* needs ratio=1,"):
        describe_data(cfg, replace(protocol, ratio=1.0))
    with pytest.raises(InputError, match="6 known classes, but protocol cifar10_6-4 has 10"):
        describe_data(cfg, replace(protocol, num_known=10))
