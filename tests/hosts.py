"""What the tests change in mmengine, to avoid waiting for things that do not affect results."""

import gc
from types import SimpleNamespace

import pytest


def spare_time(patch: pytest.MonkeyPatch) -> None:
    """Leave out what takes most of a short run and does not affect results.

    mmengine formats the text of each config that it prints or writes, and waits two seconds
    whenever all training images have been used.
    """
    # mmengine imports the function at the top (0.10) or where it is used (later).
    for place in ("mmengine.config.config", "yapf.yapflib.yapf_api"):
        patch.setattr(f"{place}.FormatCode", lambda text, **_: (text, True), raising=False)
    patch.setattr("mmengine.runner.loops.time", SimpleNamespace(sleep=lambda seconds: None))


def keep_imported() -> None:
    """Exclude what is imported from garbage collection, which mmengine calls for each data set.

    It takes 0.3 s with the hosts imported, and a millisecond afterwards.
    """
    gc.collect()
    gc.freeze()
