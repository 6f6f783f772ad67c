"""Keeping runs: records, journals, whole files, tables, progress, ranks, hashes."""
