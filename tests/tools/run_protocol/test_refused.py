"""What tools/run_protocol.py rejects, and the numbers of trials it accepts."""

from argparse import ArgumentTypeError

import pytest
import torch

from mmosr.benchmark.images import run_protocol
from mmosr.utils import InputError
from tests.in_process import load_tool

from .tiny_protocol import SCORES


class TestRefused:
    """Each in one line, before anything is trained."""

    def run(self, folder, out, *, config="tiny.py", trials=(0,), **options):
        run_protocol("cifar10_6-4", [folder / config], out, trials, **options)

    def test_missing_data(self, folder, tmp_path):
        options = {f"{p}_dataloader.dataset.data_root": "nowhere" for p in ("train", "val", "test")}
        with pytest.raises(InputError, match=r"nowhere.*docs/image_data.md"):
            self.run(folder, tmp_path / "out", cfg_options=options)
        assert not (tmp_path / "out").exists()

    def test_unknown_images_in_validation(self, folder, tmp_path):
        options = {"val_dataloader.dataset.role": "test"}
        with pytest.raises(InputError, match="the val data show 40 unknown images"):
            self.run(folder, tmp_path / "out", cfg_options=options)

    def test_no_unknown_image_in_the_test(self, folder, tmp_path):
        options = {
            "test_dataloader.dataset.role": "val",
            "test_dataloader.dataset.data_prefix": "train",
        }
        with pytest.raises(InputError, match="the test data show no unknown image"):
            self.run(folder, tmp_path / "out", cfg_options=options)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"train_dataloader.dataset.data_prefix": "test"},
                r"the train and test data share 12 images, such as .*/test/[a-z]+/000[0-2].jpg: ",
            ),
            (
                {"val_dataloader.dataset.data_prefix": "test"},
                "the val and test data share 6 images",
            ),
            (
                {"val_dataloader.dataset.val_seed": 1},
                "the train and val data share 5 images, .* the same val_fraction and val_seed",
            ),
        ],
    )
    def test_images_in_two_parts(self, folder, tmp_path, options, message):
        """The roles are right, but the folders are not."""
        with pytest.raises(InputError, match=message) as error:
            self.run(folder, tmp_path / "out", cfg_options=options)
        assert "\n" not in str(error.value) and not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("train_dataloader.dataset.class_split", "protocol_a/svhn", "takes 'protocol_a/cif"),
            (
                "model.head.num_classes",
                5,
                "the model has 5 classes, but .* set model.head.num_c.*; --data conf",
            ),
            ("val_dataloader", None, "has no 'val_dataloader'"),
        ],
    )
    def test_config_of_something_else(self, folder, tmp_path, key, value, message):
        with pytest.raises(InputError, match=message):
            self.run(folder, tmp_path / "out", cfg_options={key: value})
        assert not (tmp_path / "out").exists()

    def test_a_mixture_without_an_optimizer_of_its_own(self, folder, tmp_path):
        options = {"model.head.type": "mmosr.LGMMClsHead", "model.score": "likelihood"}
        with pytest.raises(InputError, match="the mixture of L-GMM would be trained with the enc"):
            self.run(folder, tmp_path / "out", cfg_options=options)
        assert not (tmp_path / "out").exists()

    def test_data_without_class_split(self, folder, tmp_path):
        text = (folder / "tiny.py").read_text()
        path = tmp_path / "plain.py"
        path.write_text(text.replace('class_split="protocol_a/cifar10", trial=4, ', ""))
        with pytest.raises(InputError, match="train_dataloader has no class_split"):
            self.run(tmp_path, tmp_path / "out", config="plain.py")

    def test_scores(self, folder, tmp_path):
        with pytest.raises(InputError, match="movr"):
            self.run(folder, tmp_path / "out", scores=["movr"])

    @pytest.mark.parametrize("kind", ["EMAHook", "mmengine.EMAHook"])
    @pytest.mark.parametrize(
        ("head", "message"),
        [
            (
                "LinearClsHead",
                "custom_hooks.1 is an EMAHook, and the statistics of mahalanobis, sml cannot be "
                "fitted to averaged weights: leave custom_hooks.1 out of the config, or name "
                "--scores without mahalanobis, sml$",
            ),
            (  # the anchors are re-estimated, whatever the scores
                "mmosr.CACClsHead",
                "the statistics of mahalanobis, sml, classifier cannot be .* out of the config$",
            ),
        ],
    )
    def test_averaged_weights(self, folder, tmp_path, kind, head, message):
        hooks = [dict(type="mmosr.StepSeedHook"), dict(type=kind)]
        options = {"custom_hooks": hooks, "model.head.type": head}
        with pytest.raises(InputError, match=message) as error:
            self.run(
                folder,
                tmp_path / "out",
                scores=["msp", "mahalanobis", "sml"],
                cfg_options=options,
            )
        assert "\n" not in str(error.value) and not (tmp_path / "out").exists()

    def test_seeds_of_trials_that_are_seeds(self, folder, tmp_path):
        with pytest.raises(InputError, match="differ only in their seed: add --trials 0"):
            run_protocol("ood_cifar10_isun", [folder / "tiny.py"], tmp_path / "out", seeds=[0, 1])

    def test_trial(self, folder, tmp_path):
        with pytest.raises(InputError, match="no trial 5: choose from 0-4"):
            self.run(folder, tmp_path / "out", trials=[5])

    def test_protocol(self, folder, tmp_path):
        with pytest.raises(InputError, match="no protocol 'cifar10_6_4': did you mean cifar10_6-4"):
            run_protocol("cifar10_6_4", [folder / "tiny.py"], tmp_path / "out")

    def test_two_configs_of_one_name(self, folder, tmp_path):
        (tmp_path / "tiny.py").write_text((folder / "tiny.py").read_text())
        with pytest.raises(InputError, match="two configs are called tiny"):
            run_protocol("cifar10_6-4", [folder / "tiny.py", tmp_path / "tiny.py"], tmp_path)

    def test_a_folder_in_use(self, runs, folder):
        with pytest.raises(InputError, match="already holds a run: add --resume"):
            self.run(folder, folder / "out", scores=SCORES)

    @pytest.mark.parametrize(
        "change",
        [
            dict(scores=["cac"]),
            dict(scores=SCORES, cfg_options={"train_dataloader.batch_size": 4}),
        ],
    )
    def test_another_run(self, runs, folder, change):
        with pytest.raises(InputError, match="cannot resume: .* differs in config; choose"):
            self.run(folder, folder / "out", resume=True, **change)

    def test_other_versions(self, runs, folder):
        path = folder / "out/tiny/trial_0/trial.json"
        text = path.read_text()
        path.write_text(text.replace(torch.__version__, "1.0"))
        try:
            with pytest.raises(InputError, match=r"differs in torch \(1.0 instead of"):
                self.run(folder, folder / "out", scores=SCORES, resume=True)
        finally:
            path.write_text(text)


def test_trial_numbers():
    tool = load_tool("run_protocol")
    assert tool.trial_numbers("0-2,4,1") == [0, 1, 2, 4]
    for text in ("", "a", "2-1", "-1", "1-"):
        with pytest.raises(ArgumentTypeError):
            tool.trial_numbers(text)
