"""Run commands, and see what they print and leave."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Iterator

from tools import matrix


def run(*arguments: str | pathlib.Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command, and return it with what it printed, standard error among it.

    Args:
        arguments: The command and its arguments.
        options: What else subprocess.run takes; with ``stderr`` the streams are kept apart.
    """
    return subprocess.run(
        arguments,
        encoding="utf-8",
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},  # type: ignore[call-overload]
    )


def output(*arguments: str | pathlib.Path, **options: object) -> str:
    """Run a command that has to succeed, and return what it printed, standard error among it.

    Raises:
        AssertionError: if it fails, with what it printed.
    """
    result = run(*arguments, **options)
    assert result.returncode == 0, result.stdout
    return result.stdout


def program_folders() -> list[str]:
    """List where programs are: in the folders of PATH, and where `go install` puts them."""
    go = os.environ.get("GOPATH") or str(pathlib.Path.home() / "go")
    folders = [*os.environ["PATH"].split(os.pathsep), os.environ.get("GOBIN", ""), f"{go}/bin"]
    return [folder for folder in folders if folder]


@contextlib.contextmanager
def running(*arguments: str | pathlib.Path, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Start a command that signals end as they do at a terminal, and let nothing of it live on.

    Args:
        arguments: The command and its arguments.
        options: What else subprocess.Popen takes.

    Yields:
        The process, whose standard error is among what it prints.
    """
    with subprocess.Popen(
        arguments,
        encoding="utf-8",
        preexec_fn=reset_signals,
        start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},  # type: ignore[call-overload]
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def reset_signals() -> None:
    """Undo that a shell lets what it starts in the background ignore some signals."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def tree(folder: pathlib.Path) -> dict[str, bytes | None]:
    """Read everything below a folder: a file's content, None for a folder or dead link."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def tracked() -> list[str]:
    """List the files that belong to the template, committed or about to be."""
    listed = git(matrix.TEMPLATE, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [path for path in listed.split("\0") if (matrix.TEMPLATE / path).is_file()]


def repository(folder: pathlib.Path) -> pathlib.Path:
    """Make a git repository of the template as it is in the work tree, and return its folder."""
    for path in tracked():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(matrix.TEMPLATE / path, folder / path)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def commit(folder: pathlib.Path) -> None:
    """Commit everything in a repository."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=A change")


def git(folder: pathlib.Path, *arguments: str) -> str:
    """Run git in a folder, as nobody in particular, and return its output."""
    settings = (
        "user.name=Somebody",
        "user.email=somebody@example.com",
        "commit.gpgsign=false",
        "safe.directory=*",  # A CI runner may check the template out as another user.
    )
    options = [option for setting in settings for option in ("-c", setting)]
    return subprocess.run(
        ["git", *options, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
