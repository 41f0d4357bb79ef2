"""Is the output folder as it was after a failure, and does one line say why?"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from click import testing
from cookiecutter import cli, exceptions, generate

from tests.support import baking, command, skips
from tools import matrix

OUTPUT_FOLDERS = pytest.mark.parametrize("folder", ["", "new", "new/deep"])
CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24  # linux/capability.h, linux/prctl.h


@pytest.fixture
def output(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return an output folder that already holds something."""
    folder = tmp_path / "output"
    (folder / "neighbour").mkdir(parents=True)
    (folder / "neighbour" / "notes.txt").write_text("mine\n")
    return folder


@contextlib.contextmanager
def untouched(folder: pathlib.Path) -> Iterator[None]:
    """Fail unless everything below a folder is as before."""
    before = command.tree(folder)
    yield
    assert command.tree(folder) == before


def copy_template(folder: pathlib.Path) -> pathlib.Path:
    """Copy the template, and return the copy's path."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "tests")
    return pathlib.Path(shutil.copytree(matrix.TEMPLATE, folder / "template", ignore=ignored))


def test_an_existing_folder_stays_as_it_is(output: pathlib.Path):
    with untouched(output):
        result = baking.by_command(output, {"charm_name": "neighbour"})
        with pytest.raises(exceptions.OutputDirExistsException):
            baking.bake({}, output, charm_name="neighbour")

    assert result.returncode == 1
    assert result.stdout == (
        f"{output / 'neighbour'} exists; "
        "choose another name or --output-dir, or --overwrite-if-exists\n"
    )


@pytest.mark.parametrize("option", [(), ("--overwrite-if-exists",)])
@pytest.mark.parametrize("how", ["link", "file"])
def test_what_is_no_folder_stays_as_it_is(output: pathlib.Path, how: str, option: tuple[str, ...]):
    charm = output / "my-app"
    if how == "link":
        charm.symlink_to("nowhere")
    else:
        charm.write_text("mine\n")

    with untouched(output):
        result = baking.by_command(output, {}, *option)
        with pytest.raises(exceptions.FailedHookException):
            baking.bake({}, output, charm_name="my-app")

    assert result.returncode == 1
    assert result.stdout == (
        f"{charm} is not a folder; remove it, or choose another name or --output-dir\n"
    )


def test_overwriting_replaces_what_the_template_makes_and_nothing_else(output: pathlib.Path):
    baking.by_command(output, {"charm_name": "charm"})
    fresh = command.tree(output)
    (output / "charm" / "src" / "charm.py").write_text("mine\n")
    (output / "charm" / "src" / "more.py").write_text("mine too\n")

    result = baking.by_command(output, {"charm_name": "charm"}, "--overwrite-if-exists")

    assert result.returncode == 0, result.stdout
    assert command.tree(output) == {**fresh, "charm/src/more.py": b"mine too\n"}


def test_a_rejected_overwriting_leaves_the_charm(output: pathlib.Path):
    with untouched(output):
        result = baking.by_command(
            output, {"charm_name": "neighbour", "title": "x"}, "--overwrite-if-exists"
        )

    assert result.returncode == 1


def lose_the_right_to_override() -> None:
    """Let file permissions bind root too, in a process that is about to start."""
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE):
        raise OSError("prctl rejected to drop CAP_DAC_OVERRIDE")


@OUTPUT_FOLDERS
def test_a_read_only_folder_is_named(output: pathlib.Path, folder: str):
    output.chmod(0o555)
    try:
        with untouched(output):
            result = baking.by_command(output / folder, preexec_fn=lose_the_right_to_override)
    finally:
        output.chmod(0o755)

    assert result.returncode == 1
    assert result.stdout == (
        f"{output} is not a folder that you can write to; choose another --output-dir\n"
    )


def test_a_read_only_charm_is_not_overwritten(output: pathlib.Path):
    charm = output / "neighbour"
    charm.chmod(0o555)
    try:
        with untouched(output):
            result = baking.by_command(
                output,
                {"charm_name": charm.name},
                "--overwrite-if-exists",
                preexec_fn=lose_the_right_to_override,
            )
    finally:
        charm.chmod(0o755)

    assert result.returncode == 1
    assert result.stdout == (
        f"{charm} is not a folder that you can write to; choose another --output-dir\n"
    )


def test_a_file_is_no_output_folder(output: pathlib.Path):
    notes = output / "neighbour" / "notes.txt"

    with untouched(output):
        result = baking.by_command(notes)

    assert result.stdout == (
        f"{notes} is not a folder that you can write to; choose another --output-dir\n"
    )


def test_a_full_disk_is_named():
    """The disk is a small one in memory, in a mount name space of its own."""
    script = 'mount -t tmpfs -o size=64k none /mnt && "$@"; status=$?; ls -A /mnt; exit $status'
    namespace = ("unshare", "--user", "--map-root-user", "--mount")
    mount = ("mount", "-t", "tmpfs", "none", "/mnt")
    if not shutil.which("unshare") or command.run(*namespace, *mount).returncode:
        pytest.skip(skips.NO_MOUNT)

    result = command.run(
        *(*namespace, "sh", "-c", script, "sh", *baking.COMMAND),
        *(str(matrix.TEMPLATE), "--no-input", "--output-dir", "/mnt"),
    )

    assert result.returncode == 1
    assert result.stdout == (
        "/mnt has no space for a charm; free some or choose another --output-dir\n"
    )


def test_an_unknown_disk_size_is_not_treated_as_full():
    """Linux says of /proc that it has no space and no size; nothing can be made there either."""
    result = baking.by_command(pathlib.Path("/proc"))

    assert result.returncode == 1
    assert "no space" not in result.stdout


def limit_file_size() -> None:
    """Let no file grow beyond what all but the GPL's text take, as if the disk were full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, 25_000))


@OUTPUT_FOLDERS
def test_a_write_that_fails_half_way_leaves_nothing(output: pathlib.Path, folder: str):
    with untouched(output):
        result = baking.by_command(
            output / folder, {"license": "GPL-3.0-only"}, preexec_fn=limit_file_size
        )

    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "OSError: [Errno 27] File too large"


def test_a_write_that_fails_half_way_keeps_what_was_there(output: pathlib.Path):
    baking.by_command(output, {"charm_name": "charm"})
    (output / "charm" / "more.py").write_text("mine\n")
    before = command.tree(output)

    result = baking.by_command(
        output,
        {"charm_name": "charm", "license": "GPL-3.0-only"},
        "--overwrite-if-exists",
        preexec_fn=limit_file_size,
    )

    assert result.returncode == 1
    assert set(command.tree(output)) == set(before)
    assert (output / "charm" / "more.py").read_text() == "mine\n"


def test_a_failed_bake_is_kept_on_demand(output: pathlib.Path):
    result = baking.by_command(
        output,
        {"license": "GPL-3.0-only"},
        "--keep-project-on-failure",
        preexec_fn=limit_file_size,
    )

    assert result.returncode == 1
    assert (output / "my-app").is_dir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@OUTPUT_FOLDERS
def test_a_bake_that_is_cut_short_leaves_nothing(
    output: pathlib.Path, tmp_path: pathlib.Path, folder: str, number: signal.Signals
):
    """A pipe that nobody writes to, as the template's last file, keeps the bake half way."""
    template = copy_template(tmp_path)
    pipe = template / matrix.CHARM / "zzz"
    os.mkfifo(pipe)

    with (
        untouched(output),
        command.running(
            *(*baking.COMMAND, template, "--no-input", "--output-dir", output / folder),
            cwd=tmp_path,
        ) as process,
    ):
        writer = open_for_reader(pipe, process)
        assert (output / folder / "my-app" / "tox.ini").is_file()
        process.send_signal(number)
        shown, _ = process.communicate()
        os.close(writer)

    assert process.returncode == 1
    assert shown.strip() == "Aborted!"


def open_for_reader(pipe: pathlib.Path, process: subprocess.Popen[str]) -> int:
    """Open a pipe as soon as a process reads it, and return the descriptor."""
    while process.poll() is None:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.02)
    raise AssertionError(process.communicate()[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_a_question_leaves_nothing(output: pathlib.Path, number: signal.Signals):
    with (
        untouched(output),
        command.running(
            *(*baking.COMMAND, matrix.TEMPLATE, "--output-dir", output), stdin=subprocess.PIPE
        ) as process,
    ):
        assert process.stdout
        assert process.stdout.read(1)  # The first question is being asked.
        process.send_signal(number)
        shown, _ = process.communicate()

    assert process.returncode == (1 if number == signal.SIGINT else -number)
    assert "Traceback" not in shown


def test_a_folder_that_another_bake_makes_meanwhile_stays(
    output: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    """It may come between the last check and cookiecutter's own, which is played here."""

    def create(dirname: str, context: dict[str, object], _: str, environment, *__: object):
        environment.from_string(dirname).render(**context)
        (output / "my-app").mkdir()
        raise exceptions.OutputDirExistsException("exists")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(generate, "render_and_create_dir", create)
    result = testing.CliRunner().invoke(
        cli.main, [str(matrix.TEMPLATE), "--no-input", "--output-dir", str(output)]
    )

    assert (result.exit_code, result.output) == (1, "exists\n")
    assert (output / "my-app").is_dir()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_success_stays_even_without_hooks(output: pathlib.Path):
    result = baking.by_command(output, {}, "--accept-hooks", "no")

    assert result.returncode == 0, result.stdout
    assert (output / "my-app" / "charmcraft.yaml").is_file()
