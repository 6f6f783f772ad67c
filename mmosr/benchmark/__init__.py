"""Benchmarks for pixels (several data sets, one report) and images (trials of a protocol)."""
