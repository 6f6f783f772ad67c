"""Training as a user does it: real processes, killed, resumed and distributed."""

import os
import signal
import subprocess
import time
from pathlib import Path

import torch

from mmosr.engine.checkpoint import read_checkpoint
from tests.processes import Script

ROOT = Path(__file__).parents[2]
CONFIG = "configs/lgmm_deeplabv3plus_demo.py"
STEPS = 12


def start(command, **options):
    """Start a process in the repository, with one thread, in its own session."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,
    )


def finish(process, seconds=240):
    """Wait for a process that should succeed; return what it printed."""
    try:
        output, _ = process.communicate(timeout=seconds)
    finally:
        stop(process)
    assert process.returncode == 0, output[-3000:]
    return output


def stop(process):
    """Kill a process and its data-loader workers."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def train(work_dir, options, *arguments):
    arguments = [CONFIG, "--work-dir", work_dir, *arguments, "--cfg-options", *options]
    return Script("train", *arguments, log=f"{work_dir}.log")


def kill_after_checkpoint(process, work_dir, seconds=240):
    """Kill as soon as a checkpoint is complete; return its file."""
    mark = work_dir / "last_checkpoint"
    try:
        end = time.monotonic() + seconds
        while not (mark.is_file() and mark.read_text()):
            assert process.poll() is None, process.printed()[0][-3000:]
            assert time.monotonic() < end
            time.sleep(0.005)
    finally:
        stop(process)
    return Path(mark.read_text())


def test_a_killed_training_resumes_to_the_same_weights(tmp_path, tiny_options):
    options = [
        *tiny_options,
        f"train_cfg.max_iters={STEPS}",
        f"train_cfg.val_interval={STEPS}",
        "default_hooks.checkpoint.interval=3",
        "default_hooks.checkpoint.max_keep_ckpts=2",
    ]
    whole = train(tmp_path / "whole", options)
    killed = train(tmp_path / "killed", options)
    try:
        checkpoint = kill_after_checkpoint(killed, tmp_path / "killed")
        finish(whole)
    finally:
        stop(whole)
    last = f"iter_{STEPS}.pth"
    assert checkpoint.name != last and not (tmp_path / "killed" / last).exists()

    output = finish(train(tmp_path / "killed", options, "--resume"))
    assert f"resumed epoch: 0, iter: {checkpoint.stem.removeprefix('iter_')}" in output

    expected = read_checkpoint(tmp_path / "whole" / last)
    actual = read_checkpoint(tmp_path / "killed" / last)
    assert actual["meta"]["iter"] == STEPS
    assert actual["state_dict"].keys() == expected["state_dict"].keys()
    for key, value in expected["state_dict"].items():
        assert torch.equal(actual["state_dict"][key], value), key


def test_two_processes_train_the_cityscapes_config(tmp_path, data_options):
    output = finish(
        start(
            ["bash", "tools/dist_train.sh", "configs/lgmm_deeplabv3plus_cityscapes.py", 2]
            + ["--work-dir", tmp_path / "run folder", "--cfg-options", *data_options]
            + [
                "train_dataloader.batch_size=2",
                "train_dataloader.num_workers=0",
                "train_dataloader.persistent_workers=False",
                "train_dataloader.dataset.pipeline.3.scale=(64,64)",
                "train_dataloader.dataset.pipeline.4.crop_size=(33,33)",
                "val_dataloader.num_workers=0",
                "val_dataloader.persistent_workers=False",
                "val_dataloader.dataset.pipeline.1.scale=(64,64)",
                "model.data_preprocessor.size=(33,33)",
                "model.test_cfg.crop_size=(33,33)",
                "model.test_cfg.stride=(17,17)",
                "model.backbone.depth=18",
                "model.backbone.base_channels=4",
                "model.backbone.stem_channels=4",
                "model.backbone.init_cfg=None",
                "model.decode_head.in_channels=32",
                "model.decode_head.channels=8",
                "model.decode_head.c1_in_channels=4",
                "model.decode_head.c1_channels=4",
                "model.auxiliary_head.in_channels=16",
                "model.auxiliary_head.channels=4",
                "train_cfg.max_iters=2",
                "train_cfg.val_interval=2",
                "default_hooks.logger.interval=1",
                "default_hooks.checkpoint.interval=2",
            ],
        )
    )
    assert "Distributed training: True" in output
    assert "GPU number: 2" in output
    assert "mIoU:" in output
    checkpoint = read_checkpoint(tmp_path / "run folder" / "iter_2.pth")
    assert checkpoint["meta"]["iter"] == 2
    weights = checkpoint["state_dict"]
    assert all(torch.isfinite(value).all() for value in weights.values())
