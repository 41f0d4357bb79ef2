"""Run the benchmarks that are named, or all of them: python -m benchmarks [NAME ...]."""

from __future__ import annotations

import argparse

from benchmarks import bake, dispatch, first_green, matrix

BENCHMARKS = {
    "bake": bake,
    "first-green": first_green,
    "dispatch": dispatch,
    "matrix": matrix,
}

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("name", nargs="*", choices=[*BENCHMARKS, []], default=list(BENCHMARKS))
for name in parser.parse_args().name:
    BENCHMARKS[name].main()
