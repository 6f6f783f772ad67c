"""From a public download to the folder that a data set reads, and checks of such a folder."""

from .check import Report, check_data_set, show
from .plan import Request
from .recipes import RECIPES, make_plan
from .writer import Summary, write_plan

__all__ = [
    "RECIPES",
    "Report",
    "Request",
    "Summary",
    "check_data_set",
    "make_plan",
    "show",
    "write_plan",
]
