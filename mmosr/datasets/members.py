"""All data sets, samplers and transforms: to import this module registers them."""

from mmosr.datasets import *  # noqa: F403
