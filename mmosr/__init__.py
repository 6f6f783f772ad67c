"""Open-set recognition for the OpenMMLab stack."""

from .utils.environment import check_environment
from .version import __version__

__all__ = ["__version__"]

check_environment()
