"""Benchmarks: a model, several open-set data sets, and a report."""

from .data import Benchmark, BenchmarkData, find_benchmarks
from .result import DatasetResult
from .run import run_benchmark

__all__ = ["Benchmark", "BenchmarkData", "DatasetResult", "find_benchmarks", "run_benchmark"]
