"""Is the output folder as it was after a failure, and does one line say why?"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from cookiecutter import exceptions, main

from tests.support import baking, command, matrix

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


@pytest.mark.parametrize(
    "answers",
    [
        {"charm_name": "foo-1"},
        {"title": "x"},
        {"summary": "a\tb"},
        {"base": "ubuntu@26.04", "integration_tests": "pytest-operator"},
    ],
    ids=lambda answers: next(iter(answers)),
)
@OUTPUT_FOLDERS
def test_a_refusal_is_one_line_and_leaves_nothing(
    output: pathlib.Path, folder: str, answers: dict[str, str]
):
    with untouched(output):
        result = baking.by_command(output / folder, answers)

    assert result.returncode == 1
    assert result.stdout.count("\n") == 1
    assert result.stdout.split()[0].partition("=")[0] in {*answers, "integration_tests"}


def test_the_python_api_raises_the_reason(output: pathlib.Path):
    with untouched(output), pytest.raises(exceptions.FailedHookException) as refusal:
        main.cookiecutter(
            str(matrix.TEMPLATE),
            no_input=True,
            extra_context={"title": "x"},
            output_dir=str(output),
        )

    assert str(refusal.value) == "title has 1 character; Charmhub wants 2 to 40"


def test_a_refusal_does_not_need_the_hooks(output: pathlib.Path):
    with untouched(output):
        result = baking.by_command(output, {"title": "x"}, "--accept-hooks", "no")

    assert result.stdout == "title has 1 character; Charmhub wants 2 to 40\n"


def test_a_replay_is_refused_by_the_hook(output: pathlib.Path, tmp_path: pathlib.Path):
    """A replay asks nothing, so that only the hook sees its answers; it speaks first."""
    config = tmp_path / "config.yaml"
    config.write_text(f"replay_dir: {tmp_path}\n")
    baking.by_command(tmp_path / "first", {}, "--config-file", str(config))
    replay = json.loads((tmp_path / f"{matrix.TEMPLATE.name}.json").read_text())
    replay["cookiecutter"]["title"] = "x"
    (tmp_path / "replay.json").write_text(json.dumps(replay))

    with untouched(output):
        result = subprocess.run(
            [
                *(*baking.COMMAND, str(matrix.TEMPLATE), "--output-dir", str(output)),
                *("--replay-file", str(tmp_path / "replay.json")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    assert result.returncode == 1
    assert result.stdout.startswith("title has 1 character; Charmhub wants 2 to 40\n")


def test_an_unknown_choice_names_the_choices(output: pathlib.Path):
    """cookiecutter itself refuses it, before it loads anything of the template but its json."""
    with untouched(output):
        result = baking.by_command(output, {"base": "foo"})

    assert result.returncode == 1
    last = result.stdout.splitlines()[-1]
    assert all(choice in last for choice in ("foo", "base", *matrix.CHOICES["base"]))


def test_an_existing_folder_stays_as_it_is(output: pathlib.Path):
    with untouched(output):
        result = baking.by_command(output, {"charm_name": "neighbour"})

    assert result.returncode == 1
    assert result.stdout == f'Error: "{output / "neighbour"}" directory already exists\n'


def test_overwriting_replaces_what_the_template_makes_and_nothing_else(output: pathlib.Path):
    baking.by_command(output, {"charm_name": "charm"})
    fresh = command.tree(output)
    (output / "charm" / "src" / "charm.py").write_text("mine\n")
    (output / "charm" / "src" / "more.py").write_text("mine too\n")

    result = baking.by_command(output, {"charm_name": "charm"}, "--overwrite-if-exists")

    assert result.returncode == 0, result.stdout
    assert command.tree(output) == {**fresh, "charm/src/more.py": b"mine too\n"}


def test_a_refused_overwriting_leaves_the_charm(output: pathlib.Path):
    with untouched(output):
        result = baking.by_command(
            output, {"charm_name": "neighbour", "title": "x"}, "--overwrite-if-exists"
        )

    assert result.returncode == 1


def lose_the_right_to_override() -> None:
    """Let file permissions bind root too, in a process that is about to start."""
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE):
        raise OSError("prctl refused to drop CAP_DAC_OVERRIDE")


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


def test_a_file_is_no_output_folder(output: pathlib.Path):
    notes = output / "neighbour" / "notes.txt"

    with untouched(output):
        result = baking.by_command(notes)

    assert result.stdout == (
        f"{notes} is not a folder that you can write to; choose another --output-dir\n"
    )


def test_a_full_disk_is_named():
    """The disk is a small one in memory, which a name space of mounts hides from everybody."""
    script = 'mount -t tmpfs -o size=64k none /mnt && "$@"; status=$?; ls -A /mnt; exit $status'
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if (
        not shutil.which("unshare")
        or subprocess.run(
            [*namespace, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
        ).returncode
    ):
        pytest.skip("mounting a file system in a name space of one's own is not allowed here")

    result = subprocess.run(
        [
            *(*namespace, "sh", "-c", script, "sh"),
            *(*baking.COMMAND, str(matrix.TEMPLATE), "--no-input", "--output-dir", "/mnt"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert result.returncode == 1
    assert result.stdout == (
        "/mnt has no room for a charm; free some space or choose another --output-dir\n"
    )


def test_a_file_system_that_does_not_tell_its_size_is_not_taken_for_full():
    """Linux says of /proc that it has no room and no size; nothing can be made there either."""
    result = baking.by_command(pathlib.Path("/proc"))

    assert result.returncode == 1
    assert "no room" not in result.stdout


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
    baking.by_command(
        output,
        {"license": "GPL-3.0-only"},
        "--keep-project-on-failure",
        preexec_fn=limit_file_size,
    )

    assert (output / "my-app").is_dir()


@OUTPUT_FOLDERS
def test_an_interrupt_half_way_leaves_nothing(
    output: pathlib.Path, tmp_path: pathlib.Path, folder: str
):
    """A pipe that nobody writes to, as the template's last file, keeps the bake half way."""
    template = copy_template(tmp_path)
    pipe = template / "<<cookiecutter.charm_name>>" / "zzz"
    os.mkfifo(pipe)

    with untouched(output):
        process = subprocess.Popen(
            [*baking.COMMAND, str(template), "--no-input", "--output-dir", str(output / folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            writer = open_for_reader(pipe)
            assert (output / folder / "my-app" / "tox.ini").is_file()
            process.send_signal(signal.SIGINT)
            shown, _ = process.communicate(timeout=60)
            os.close(writer)
        finally:
            process.kill()

    assert process.returncode == 1
    assert shown.strip() == "Aborted!"


def open_for_reader(pipe: pathlib.Path) -> int:
    """Open a pipe as soon as somebody reads it, within a minute, and return the descriptor."""
    end = time.monotonic() + 60
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > end:
                raise
            time.sleep(0.02)


def test_an_interrupt_at_a_question_leaves_nothing(output: pathlib.Path):
    with untouched(output):
        process = subprocess.Popen(
            [*baking.COMMAND, str(matrix.TEMPLATE), "--output-dir", str(output)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout
            assert process.stdout.read(1)  # The first question is being asked.
            process.send_signal(signal.SIGINT)
            shown, _ = process.communicate(timeout=60)
        finally:
            process.kill()

    assert process.returncode == 1
    assert shown.endswith("Aborted!\n")


def test_a_folder_that_somebody_else_makes_meanwhile_stays(
    output: pathlib.Path, tmp_path: pathlib.Path
):
    """Another bake of the same name may come between the check and the first write."""
    template = copy_template(tmp_path)
    questions = json.loads((template / "cookiecutter.json").read_text())
    made = "<< cycler.__init__.__globals__.os.mkdir('my-app') >>"
    (template / "cookiecutter.json").write_text(json.dumps({**questions, "__race": made}))

    result = baking.by_command(pathlib.Path(), template=template, cwd=output)

    assert result.returncode == 1
    assert "already exists" in result.stdout
    assert (output / "my-app").is_dir()


def test_a_success_stays_even_without_hooks(output: pathlib.Path):
    result = baking.by_command(output, {}, "--accept-hooks", "no")

    assert result.returncode == 0, result.stdout
    assert (output / "my-app" / "charmcraft.yaml").is_file()


def test_a_script_hears_nothing_of_a_success(output: pathlib.Path):
    result = baking.by_command(output)

    assert (result.returncode, result.stdout) == (0, "")
