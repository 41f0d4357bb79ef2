"""Benchmarks: what the template costs, beside what its user would run instead."""
