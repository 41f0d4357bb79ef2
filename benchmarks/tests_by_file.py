"""Which tests take the processor time of the test command?"""

from __future__ import annotations

import collections
import pathlib
import tempfile
import time
import xml.etree.ElementTree as ElementTree

from benchmarks import timing
from tools import matrix


def main() -> None:
    """Run the tests as the README's command does, and print a table of what they use."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.xml")
        start = time.perf_counter()
        timing.run("tox", "-e", "test", "--", f"--junit-xml={report}", cwd=matrix.TEMPLATE)
        elapsed = time.perf_counter() - start
        cases = list(ElementTree.parse(report).iter("testcase"))
    files: dict[str, list[float]] = collections.defaultdict(list)
    for case in cases:
        (used,) = case.iterfind("properties/property[@name='processor']")
        files[case.attrib["classname"]].append(float(used.attrib["value"]))
    print("| tests | number | processor-seconds | each |", "|---|---:|---:|---:|", sep="\n")
    for file, seconds in sorted(files.items(), key=lambda item: -sum(item[1])):
        mean = sum(seconds) / len(seconds)
        print(f"| {file} | {len(seconds)} | {sum(seconds):.1f} | {mean:.2f} |")
    print(f"| wall time | {len(cases)} | {elapsed:.1f} | |")


if __name__ == "__main__":
    main()
