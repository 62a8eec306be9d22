"""Benchmarks, run by hand: nothing here is part of the pipeline or of the tests."""
