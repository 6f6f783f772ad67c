"""Names of the trials of a run."""

from pathlib import Path

import pytest

from mmosr.benchmark.images.job import trial_folder, trial_title


@pytest.mark.parametrize(
    "seed, title",
    [(None, "cac_toy, cifar10_6-4, trial 2"), (1, "cac_toy, cifar10_6-4, trial 2 seed 1")],
)
def test_title_tells_the_seeds_of_a_trial_apart(seed: int | None, title: str):
    record = {"method": "cac_toy", "protocol": "cifar10_6-4", "trial": 2, "seed": 3}
    assert trial_title(record, trial_folder(Path("out"), "cac_toy", 2, seed)) == title
