"""Time commands against each other in one run, so that their ratio outlives the machine."""

from __future__ import annotations

import pathlib
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping

from tests.support import command

Contender = Callable[[pathlib.Path], None]


def processor_time() -> float:
    """Return the seconds that a processor has worked for the commands that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def median_seconds(
    contenders: Mapping[str, Contender],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Run each contender in a folder of its own, in turn, and return its median in seconds.

    Args:
        contenders: What to run, by name.
        rounds: How often to run each; one round before them warms the caches.
        clock: What tells the time, such as processor_time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(rounds + 1):
        for name, contender in contenders.items():
            with tempfile.TemporaryDirectory() as folder:
                start = clock()
                contender(pathlib.Path(folder))
                elapsed = clock() - start
            if round_number:
                seconds[name].append(elapsed)
    return {name: statistics.median(values) for name, values in seconds.items()}


def run(*words: str, cwd: pathlib.Path) -> str:
    """Run a command and return what it prints; raise with that if it fails."""
    result = command.run(*words, cwd=cwd)
    if result.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{result.stdout}")
    return result.stdout


def table(title: str, seconds: Mapping[str, float], base: str) -> str:
    """Render a Markdown table of seconds, and of ratios to one of the contenders."""
    rows = [
        f"| {name} | {value:.2f} | {value / seconds[base]:.2f} |"
        for name, value in seconds.items()
    ]
    return "\n".join([f"| {title} | seconds | ratio |", "|---|---:|---:|", *rows])
