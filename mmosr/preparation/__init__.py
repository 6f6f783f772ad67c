"""From a public download to the folder that a data set reads, and what such a folder holds."""

from .check import check_data_set
from .recipes import RECIPES, make_plan
from .report import Report, show
from .request import Request
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
