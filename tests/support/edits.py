"""Apply small edits to a charm, written as unified diffs that a reader can follow.

They have no line numbers, and as little context as tells where to edit, so that few of them break
when the charm changes. ``-...`` removes all lines up to the next one of the hunk.
"""

from __future__ import annotations

import itertools
import pathlib
import re
from collections.abc import Iterator

ELISION = "-..."


def apply(diff: str, folder: pathlib.Path) -> None:
    """Apply a diff to the files in a folder.

    Raises:
        AssertionError: if the context of a hunk isn't found just once after the last one.
    """
    for name, hunks in _files(diff):
        file = folder / name
        lines = file.read_text().splitlines() if file.exists() else []
        start = 0
        for hunk in hunks:
            start = _apply_hunk(hunk, lines, start, name)
        file.write_text("\n".join(lines) + "\n") if lines else file.unlink()


def in_document(document: str) -> dict[str, str]:
    """Return the diffs that a Markdown document shows, by the heading above them."""
    found: dict[str, str] = {}
    for section in re.split(r"^#+ ", document, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        if diffs := re.findall(r"^```diff\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            found[heading] = "".join(diffs)
    return found


def _files(diff: str) -> Iterator[tuple[str, list[list[str]]]]:
    for section in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        name, *lines = section.splitlines()
        hunks: list[list[str]] = []
        for line in lines:
            if line.startswith("@@"):
                hunks.append([])
            elif not line.startswith("+++"):
                hunks[-1].append(line)
        yield name, hunks


def _apply_hunk(hunk: list[str], lines: list[str], start: int, name: str) -> int:
    """Edit the lines after the last hunk, and return where this hunk ends."""
    places = [start] if hunk[0] == ELISION else range(start, len(lines) + 1)
    found = [(place, edit) for place in places if (edit := _edit(hunk, lines, place))]
    text = "\n".join(hunk)
    assert len(found) == 1, f"{name} has this {len(found)} times, not once:\n{text}"
    ((place, (new, end)),) = found
    lines[place:end] = new
    return place + len(new)


def _edit(hunk: list[str], lines: list[str], place: int) -> tuple[list[str], int] | None:
    """Return what a hunk makes of the lines at a place, and where they end, if it fits there."""
    new: list[str] = []
    for index, line in enumerate(hunk):
        if line == ELISION:
            rest = [line for line in hunk[index + 1 :] if not line.startswith("+")]
            block = [line[1:] for line in itertools.takewhile(ELISION.__ne__, rest)]
            ends = range(place, len(lines) - len(block) + 1)
            end = next((n for n in ends if lines[n : n + len(block)] == block), None)
            if end is None:
                return None
            place = end if block else len(lines)
        elif line.startswith("+"):
            new.append(line[1:])
        elif place < len(lines) and lines[place] == line[1:]:
            new += [] if line.startswith("-") else [lines[place]]
            place += 1
        else:
            return None
    return new, place
