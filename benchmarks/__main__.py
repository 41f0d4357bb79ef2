"""Run the benchmarks that are named, or all of them: python -m benchmarks [NAME ...]."""

from __future__ import annotations

import argparse

from benchmarks import bake, dispatch, first_green, tests_by_file

BENCHMARKS = {
    "bake": bake,
    "first-green": first_green,
    "dispatch": dispatch,
    "tests": tests_by_file,
}

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("name", nargs="*", choices=[*BENCHMARKS, "all"], default="all")
names = parser.parse_args().name
for name, benchmark in BENCHMARKS.items():
    if name in names or "all" in names:
        benchmark.main()
