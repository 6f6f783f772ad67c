"""Preparing a small download, and checking the result."""

import os
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from mmosr.preparation import Request, Summary, make_plan, write_plan
from mmosr.utils import InputError

from .downloads import manifest


def prepare(name, source, folder, **options):
    """Make the folder, twice; the second time there is nothing to do."""
    plan = make_plan(name, Request(source, folder, **options))
    number = len(plan.outputs) + len(plan.last)
    assert write_plan(plan, folder) == Summary(number, 0, 0)
    again = write_plan(make_plan(name, Request(source, folder, **options)), folder)
    assert again == Summary(0, number, 0)
    return manifest(folder)


def pairs_of(name, folder, **options):
    """Images and labels of the benchmark, as its config reads them."""
    config = Config.fromfile(f"configs/_base_/benchmarks/{name}.py").benchmark.dataset
    dataset = DATASETS.build({**config, "data_root": str(folder), **options})
    items = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [tuple(Path(item[k]) for k in ("img_path", "seg_map_path")) for item in items]


def targets(folder):
    """Where the links of a folder point."""
    return {
        path.relative_to(folder).as_posix(): os.readlink(path)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink()
    }


def refused(name, request, message):
    with pytest.raises(InputError, match=message) as caught:
        make_plan(name, request)
    assert "\n" not in str(caught.value)
    assert not request.folder.exists()
