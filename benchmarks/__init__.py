"""Benchmarks of jmeta: published tables, comparisons, throughput. Run one as ``python -m benchmarks.NAME``."""
