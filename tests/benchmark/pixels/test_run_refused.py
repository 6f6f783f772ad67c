"""A benchmark from Python that is rejected or stops: other runs, missing data, broken images."""

import math
import shutil

import numpy as np
import pytest
import torch

from mmosr.config.loading import load_config
from mmosr.utils import InputError

from .support import SCORES, all_pixels, build, expected_figures, images_of, run


def refused(files, out, *parts, **options):
    with pytest.raises(InputError) as caught:
        run(files, out, **options)
    for part in parts:
        assert str(part) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_holds_a_run(files, tmp_path):
    run(files, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    refused(files, tmp_path, tmp_path, "--resume", "--out")
    resume = dict(resume=True)
    refused(files, tmp_path, "differs in scores;", **resume, scores=["energy"])
    refused(files, tmp_path, "differs in scores;", **resume, scores=SCORES[::-1])
    refused(files, tmp_path, "differs in list of data sets;", **resume, datasets=[files.objects])
    other = tmp_path / "other.pth"
    torch.save({"state_dict": build(load_config(files.config), seed=1).state_dict()}, other)
    with pytest.raises(InputError, match="differs in checkpoint;"):
        run(files, tmp_path, checkpoint=other, resume=True)
    other.unlink()
    changes = {
        "config;": {"model.decode_head.align_corners": True},
        "batch size;": {"test_dataloader.batch_size": 2},
        "data set 'test' (config);": {
            "test_dataloader.dataset.ignored_classes": ("wall",),
        },
        "data set 'test' (config, list of images);": {
            "test_dataloader.dataset.data_prefix.img_path": "leftImg8bit/val",
            "test_dataloader.dataset.data_prefix.seg_map_path": "gtFine/val",
        },
    }
    for what, options in changes.items():
        with pytest.raises(InputError) as caught:
            config = load_config(files.config, options)
            run(files, tmp_path, config=config, resume=True)
        assert f"differs in {what}" in str(caught.value)
    record = tmp_path / "run.json"
    text = record.read_text()
    record.write_text(text.replace(f'"torch": "{torch.__version__}"', '"torch": "1.0"'))
    refused(files, tmp_path, f"torch (1.0 instead of {torch.__version__});", **resume)
    record.write_text(text)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_images_added_since(files, tmp_path):
    """The same data set with other images is another data set."""
    root = tmp_path / "scenes"
    shutil.copytree(files.scenes, root)
    options = {"test_dataloader.dataset.data_root": str(root)}
    config = load_config(files.config, options)
    run(files, tmp_path / "out", scores=["msp"], config=config)
    image = sorted((root / "leftImg8bit" / "test").rglob("*.png"))[0]
    image.unlink()
    with pytest.raises(InputError, match=r"differs in data set 'test' \(list of images\);"):
        run(files, tmp_path / "out", scores=["msp"], config=config, resume=True)


def test_data_that_is_not_there_is_named_before_any_work(files, tmp_path):
    missing = tmp_path / "missing.py"
    missing.write_text(files.objects.read_text().replace(str(files.scenes), "/nowhere"))
    out = tmp_path / "out"
    refused(files, out, "'missing'", "/nowhere", "docs/data.md", datasets=["test", missing])
    assert not out.exists()


def test_names_of_data_sets(files, tmp_path):
    out = tmp_path / "out"
    refused(files, out, "'road_anomly'", "road_anomaly", "demo", "test", datasets=["road_anomly"])
    refused(files, out, "'/nowhere.py'", datasets=["/nowhere.py"])
    refused(files, out, "'test'", "once", datasets=["test", "test"])
    wrong = tmp_path / "wrong.py"
    wrong.write_text("benchmarks = dict()")
    refused(files, out, wrong, "benchmark = dict(", datasets=[wrong])
    wrong.write_text("benchmark = dict(dataset=dict(type='A'), protocoll='demo')")
    refused(files, out, wrong, "protocoll", datasets=[wrong])
    wrong.write_text("benchmark = dict(dataset=dict(type='A'), components=dict(pixels=3))")
    refused(files, out, wrong, "predicted", datasets=[wrong])
    assert not out.exists()


def test_a_cut_off_image_is_named(files, tmp_path):
    root = tmp_path / "scenes"
    shutil.copytree(files.scenes, root)
    image = sorted((root / "leftImg8bit" / "test").rglob("*.png"))[3]
    image.write_bytes(image.read_bytes()[:-200])
    config = load_config(files.config, {"test_dataloader.dataset.data_root": str(root)})
    out = tmp_path / "out"
    for workers in (0, 1):
        config.test_dataloader.num_workers = workers
        with pytest.raises(InputError, match=image.name):
            run(files, out, scores=["msp"], config=config, resume=True)
    # What was done before is kept; only the rest is done when the image is fixed.
    shutil.copy(images_of(files)[3], image)
    (result,) = run(files, out, scores=["msp"], config=config, resume=True)
    parts = [np.load(path)["images"].tolist() for path in (out / "test" / "parts").iterdir()]
    assert sorted(index for part in parts for index in part) == [0, 1, 2, 3, 4] and len(parts) > 1
    maps, labels = all_pixels(files)
    assert result.figures["msp"]["AP"] == pytest.approx(
        expected_figures(maps["msp"], labels)["AP"], abs=1e-9
    )


def test_scores_that_are_not_finite_name_the_image(files, tmp_path):
    content = torch.load(files.checkpoint)
    content["state_dict"]["decode_head.conv_seg.bias"][0] = math.nan
    broken = tmp_path / "nan.pth"
    torch.save(content, broken)
    with pytest.raises(InputError, match=rf"{images_of(files)[0].name}, score 'msp'.*NaN"):
        run(files, tmp_path / "out", scores=["msp"], checkpoint=broken)


def test_a_model_without_scores(files, tmp_path):
    refused(files, tmp_path, "EncoderDecoder", "--scores", scores=None)
