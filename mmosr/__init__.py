"""Open-set recognition for the OpenMMLab stack."""

import os

from .utils.environment import check_environment
from .utils.threads import wait_briefly
from .version import __version__

__all__ = ["__version__"]

wait_briefly(os.environ)
check_environment()
