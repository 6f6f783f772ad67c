"""What the server of :mod:`tests.processes` imports once, for all processes that it forks.

The hosts and what they need, but nothing of mmosr, which each process imports itself.
"""

import hypothesis  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import mmengine.runner  # noqa: F401
import mmpretrain.datasets
import mmpretrain.engine
import mmpretrain.evaluation
import mmpretrain.models
import mmpretrain.visualization  # noqa: F401
import mmseg.datasets
import mmseg.engine
import mmseg.evaluation
import mmseg.models
import mmseg.visualization  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch.distributed  # noqa: F401

from .hosts import keep_imported, spare_time

spare_time(pytest.MonkeyPatch())
keep_imported()
