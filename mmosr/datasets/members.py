"""All data sets, samplers and transforms; importing this module registers them."""

from mmosr.datasets import *  # noqa: F403
