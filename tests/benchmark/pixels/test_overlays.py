"""Fishyscapes Static in a benchmark: the objects are added whatever the config's steps are."""

import numpy as np
import pytest
from mmengine.config import Config
from torch import nn

from mmosr.apis import Loaded
from mmosr.benchmark.pixels import BenchmarkData
from mmosr.benchmark.pixels.data import Benchmark
from mmosr.benchmark.pixels.protocols import load_protocol
from mmosr.preparation import Request, make_plan, write_plan
from mmosr.visualization import Frame
from mmosr.visualization.frames import frame_panels
from tests.preparation import downloads

STEPS = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale_factor=2.0, keep_ratio=True, interpolation="nearest"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]


@pytest.mark.parametrize("wrapped", [False, True])
def test_objects_are_in_the_inputs_and_in_the_pictures(tmp_path, wrapped):
    images, folder = tmp_path / "cityscapes", tmp_path / "data"
    wanted = downloads.fishyscapes_static(tmp_path / "raw", images)
    request = Request(tmp_path / "raw", folder, images=images, version=3)
    write_plan(make_plan("fishyscapes_static", request), folder)
    dataset = dict(type="mmosr.FishyscapesStaticDataset", data_root=str(folder), version=3)
    if wrapped:
        dataset = dict(type="ConcatDataset", datasets=[dataset])
    benchmark = Benchmark("static", load_protocol("fishyscapes_static"), dataset)
    model = nn.Identity()
    model.cfg = Config(dict(test_pipeline=STEPS))
    data = BenchmarkData(benchmark, Loaded.of(model))
    for index, picture in enumerate(wanted.values()):
        inputs = data[index]["inputs"].numpy().transpose(1, 2, 0)[..., ::-1]
        np.testing.assert_array_equal(inputs, picture.repeat(2, 0).repeat(2, 1))
        np.testing.assert_array_equal(data.picture(index), picture)
        label = np.zeros(picture.shape[:2], np.uint8)
        frame = Frame(data.images[index], label, label, "", read=lambda i=index: data.picture(i))
        np.testing.assert_array_equal(frame_panels(frame, 0, 1)[0], picture)
