"""Apply small edits to a charm, written as unified diffs that a reader can follow.

They have no line numbers, and as little context as tells where to edit, so that few of them break
when the charm changes. ``-...`` removes all lines up to the next one of the hunk.
"""

from __future__ import annotations

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


def edited_lines(diff: str) -> int:
    """Count the lines that a person types or deletes; a block that is deleted counts as one."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    added = sum(line.startswith("+") for line in lines)
    return max(added, 0) + sum(
        line.startswith("-") and not following.startswith(("-", "+"))
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
    )


def files(diff: str) -> list[str]:
    """Return the files that a diff edits."""
    return [name for name, _ in _files(diff)]


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
    places = [each for each in range(start, len(lines) + 1) if _match(hunk, lines, each)]
    text = "\n".join(hunk)
    assert len(places) == 1, f"{name} has this {len(places)} times, not once:\n{text}"
    (place,) = places
    end = _match(hunk, lines, place)
    new: list[str] = []
    position = place
    for index, line in enumerate(hunk):
        if line == ELISION:
            position = _skip(hunk[index + 1 :], lines, position)
        elif line.startswith("+"):
            new.append(line[1:])
        else:
            new += [] if line.startswith("-") else [lines[position]]
            position += 1
    lines[place:end] = new
    return place + len(new)


def _match(hunk: list[str], lines: list[str], place: int) -> int:
    """Return where a hunk that begins at a place ends, or 0 if it doesn't begin there."""
    position = place
    for index, line in enumerate(hunk):
        if line == ELISION:
            position = _skip(hunk[index + 1 :], lines, position)
        elif not line.startswith("+"):
            if position >= len(lines) or lines[position] != line[1:]:
                return 0
            position += 1
    return position


def _skip(rest: list[str], lines: list[str], position: int) -> int:
    """Return where the first line of the rest that the file has is."""
    following = next((line[1:] for line in rest if not line.startswith("+")), None)
    if following is None:
        return len(lines)
    return next((n for n in range(position, len(lines)) if lines[n] == following), len(lines))
