"""Benchmarks: of pixels (several data sets, one report) and of images (trials of a protocol)."""
