import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmosr.engine import AnomalyVisualizationHook
from mmosr.utils import InputError
from mmosr.visualization import draw_heatmap, draw_overlay
from tests.preparation import downloads


def _config(root, kind="mmosr.OpenSetEncoderDecoder", **hook):
    norm = dict(type="BN")
    head = dict(type="FCNHead", in_channels=4, channels=4, num_convs=1, concat_input=False)
    backbone = dict(type="ResNetV1c", depth=18, num_stages=1, strides=(1,), dilations=(1,))
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations"),
        dict(type="PackSegInputs"),
    ]
    dataset = dict(
        type="BaseSegDataset",
        metainfo=dict(classes=("a", "b", "c")),
        data_root=str(root),
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        img_suffix=".png",
        pipeline=pipeline,
    )
    return dict(
        model=dict(
            type=kind,
            data_preprocessor=dict(type="SegDataPreProcessor", mean=[120] * 3, std=[60] * 3),
            backbone=dict(
                backbone, out_indices=(0,), base_channels=4, stem_channels=4, norm_cfg=norm
            ),
            decode_head=dict(head, num_classes=3, norm_cfg=norm, align_corners=False),
            test_cfg=dict(mode="whole"),
        ),
        test_dataloader=dict(
            batch_size=1, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dataset
        ),
        test_cfg=dict(type="TestLoop"),
        test_evaluator=dict(type="IoUMetric"),
        custom_hooks=[dict(type="mmosr.AnomalyVisualizationHook", **hook)],
        default_scope="mmseg",
        default_hooks=dict(logger=None, checkpoint=None),
        randomness=dict(seed=0),
        work_dir=str(root / "work"),
    )


@pytest.fixture
def root(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("a/x", "b/x", "b/y"):
        image = generator.integers(0, 256, (3, 4, 3)).astype(np.uint8)
        image = cv2.resize(image, (32, 24), interpolation=cv2.INTER_LINEAR)
        for folder, content in (("images", image), ("labels", image[..., 0] % 3)):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), content)
    return tmp_path


def _test(root, **options):
    return Runner.from_cfg(Config(_config(root, **options))).test()


def _read(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_pictures_share_the_range_of_the_whole_test(root):
    out = root / "out"
    _test(root, out_dir=str(out))
    names = ["a/x", "b/x", "b/y"]
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    kinds = ["score.npy", "heatmap.png", "overlay.png"]
    assert files == {f"{name}_{kind}" for name in names for kind in kinds}
    scores = {name: np.load(out / f"{name}_score.npy") for name in names}
    pixels = np.concatenate([score.ravel() for score in scores.values()]).astype(np.float64)
    bounds = np.percentile(pixels, (1, 99), method="inverted_cdf")
    assert bounds[0] < bounds[1]
    for name, score in scores.items():
        expected = draw_heatmap(score, *bounds)
        np.testing.assert_array_equal(_read(out / f"{name}_heatmap.png"), expected)


def test_objects_of_fishyscapes_static_are_in_the_pictures(root):
    """The overlay is half the tested image, half its heatmap."""
    wanted = downloads.fishyscapes_static(root / "data", root)
    (root / "data/VERSION.json").write_text('{"version": 3}')
    config, out = _config(root, out_dir=str(root / "out")), root / "out"
    config["test_dataloader"]["dataset"] = dict(
        type="ConcatDataset",
        datasets=[
            dict(
                type="mmosr.FishyscapesStaticDataset",
                data_root=str(root / "data"),
                cityscapes=str(root),
                version=3,
                pipeline=config["test_dataloader"]["dataset"]["pipeline"],
            )
        ],
    )
    config["test_evaluator"] = dict(type="mmosr.OpenSetMetric")
    Runner.from_cfg(Config(config)).test()
    for number, picture in enumerate(wanted.values()):
        stem = out / f"frankfurt_00000{number}_000294_leftImg8bit"
        expected = draw_overlay(picture, _read(f"{stem}_heatmap.png"))
        np.testing.assert_array_equal(_read(f"{stem}_overlay.png"), expected)


def test_given_range_and_interval(root):
    out = root / "out"
    _test(root, out_dir=str(out), value_range=(0, 1), interval=3, cmap="turbo")
    assert sorted(path.name for path in out.iterdir()) == [
        "y_heatmap.png",
        "y_overlay.png",
        "y_score.npy",
    ]
    expected = draw_heatmap(np.load(out / "y_score.npy"), 0, 1, "turbo")
    np.testing.assert_array_equal(_read(out / "y_heatmap.png"), expected)


def test_off_without_a_folder_and_metrics_unchanged(root):
    off = _test(root)
    assert not list(root.rglob("*_score.npy"))
    assert _test(root, out_dir=str(root / "out")) == off


def test_model_without_scores_and_useless_range_are_refused(root):
    with pytest.raises(InputError, match="gives no anomaly score to draw"):
        _test(root, kind="EncoderDecoder", out_dir=str(root / "out"))
    with pytest.raises(InputError, match="LO < HI"):
        AnomalyVisualizationHook("out", value_range=(1, 0))
