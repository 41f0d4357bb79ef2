"""Read recipes in Markdown, whose code blocks say which file they change, and carry them out.

A line before each block names the file and the place::

    `src/charm.py`, after `log_level: str`:

The place is ``at the end``, ``a new file``, or ``after``, ``before`` or ``in place of`` the one
line that reads so, without the blanks at its ends.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

STEP = re.compile(
    r"^`(?P<file>[^`]+)`, (?P<where>at the end|a new file|after|before|in place of)"
    r"(?: `(?P<line>[^`]+)`)?:\n\n```\w*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclasses.dataclass(frozen=True)
class Step:
    """A change of one file."""

    file: str
    where: str
    line: str | None
    code: str

    def apply(self, charm: pathlib.Path) -> None:
        """Change the file of a baked charm.

        Raises:
            AssertionError: if the line isn't there, or is there more than once.
        """
        path = charm / self.file
        if self.where == "a new file":
            assert not path.exists(), f"{self.file} is there"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.code)
            return
        text = path.read_text()
        if self.where == "at the end":
            path.write_text(text + self.code)
            return
        lines = text.splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if line.strip() == self.line]
        assert len(found) == 1, f"{self.file} has {len(found)} lines {self.line!r}"
        (number,) = found
        start, end = {
            "after": (number + 1, number + 1),
            "before": (number, number),
            "in place of": (number, number + 1),
        }[self.where]
        lines[start:end] = [self.code]
        path.write_text("".join(lines))


def read(document: str) -> dict[str, list[Step]]:
    """Return the steps of each section of a document that has any, by its heading."""
    sections = re.split(r"^#{2,3} (.*)\n", document, flags=re.MULTILINE)
    recipes = {
        heading: [
            Step(found["file"], found["where"], found["line"], found["code"])
            for found in STEP.finditer(text)
        ]
        for heading, text in zip(sections[1::2], sections[2::2], strict=True)
    }
    return {heading: steps for heading, steps in recipes.items() if steps}
