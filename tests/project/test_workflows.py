"""Do the workflows of both layers hold: valid, locked down, and about what is there?"""

from __future__ import annotations

import configparser
import json
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import check_jsonschema
import pytest
import yaml
from click import testing

from tests.support import baking, charmhub, command, parameters, skips
from tools import matrix, pins

CONCIERGE_PRESETS = {"machine": "machine", "kubernetes": "k8s"}


@pytest.fixture(
    params=[None, *matrix.functional()],
    ids=lambda variant: matrix.name(variant) if variant else "template",
)
def project(request: pytest.FixtureRequest, baker: baking.Baker) -> pathlib.Path:
    """Return a folder with workflows: the template, or a charm of each functional variant."""
    return baker.bake(request.param) if request.param else matrix.TEMPLATE


def workflows(project: pathlib.Path) -> list[pathlib.Path]:
    """Return the workflows of a project."""
    return sorted((project / ".github" / "workflows").iterdir())


def load(workflow: pathlib.Path) -> dict[str, Any]:
    """Parse a workflow; "on" is no truth value here."""
    return yaml.load(workflow.read_text(), Loader=yaml.BaseLoader)  # noqa: S506


def jobs(project: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every job of a project, with a name for a failure's message."""
    for workflow in workflows(project):
        for name, job in load(workflow)["jobs"].items():
            yield f"{workflow.name}: {name}", job


def scripts(project: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yield every script that a project's workflows run, with a name for a failure's message."""
    for name, job in jobs(project):
        for step in job.get("steps", []):
            if "run" in step:
                yield name, step["run"]


def test_zizmor_finds_nothing(project: pathlib.Path):
    command.output("zizmor", "--offline", "--no-progress", *workflows(project))


def test_actionlint_finds_nothing(project: pathlib.Path):
    path = os.pathsep.join(command.program_folders())
    if not (actionlint := shutil.which("actionlint", path=path)):
        pytest.skip(skips.NO_ACTIONLINT)
    command.output(actionlint, *workflows(project))


def test_github_and_renovate_take_the_files(project: pathlib.Path):
    """In this process, since the checker takes much longer to start than to check."""
    renovate = project / ".github" / "renovate.json"
    for schema, files in (("github-workflows", workflows(project)), ("renovate", [renovate])):
        arguments = ["--builtin-schema", f"vendor.{schema}", *map(str, files)]
        result = testing.CliRunner().invoke(check_jsonschema.main, arguments)
        assert result.exit_code == 0, result.output


def test_shellcheck_finds_nothing(project: pathlib.Path, tmp_path):
    files = []
    for number, (name, script) in enumerate(scripts(project)):
        assert "${{" not in script, name
        files.append(tmp_path / f"{name.replace(': ', '-')}-{number}.sh")
        files[-1].write_text(script)

    command.output("shellcheck", "--shell=bash", *files)


def test_every_action_is_pinned_by_commit_with_its_version_beside_it(project: pathlib.Path):
    for workflow in workflows(project):
        uses = re.findall(r"uses: .*", workflow.read_text())
        loose = [
            use
            for use in uses
            if not use.startswith("uses: ./") and not pins.ACTION.fullmatch(use)
        ]
        assert loose == [], workflow.name


def test_nothing_is_permitted_that_a_job_does_not_ask_for(project: pathlib.Path):
    for workflow in workflows(project):
        assert load(workflow)["permissions"] == {}
    for name, job in jobs(project):
        publishes = (project, name) == (matrix.TEMPLATE, "release.yaml: release")
        allowed = {("contents", "write" if publishes else "read")}
        assert set(job.get("permissions", {}).items()) <= allowed, name
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] == "false", name


def test_no_job_hangs_for_hours(project: pathlib.Path):
    endless = [name for name, job in jobs(project) if not {"uses", "timeout-minutes"} & set(job)]

    assert endless == []


def test_a_failed_command_in_a_pipe_fails_its_step(project: pathlib.Path):
    """GitHub runs bash with pipefail only where the shell is named."""
    for workflow in workflows(project):
        assert load(workflow)["defaults"]["run"]["shell"] == "bash", workflow.name


def test_tox_has_every_environment_that_a_workflow_runs(project: pathlib.Path):
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(project / "tox.ini")

    for name, job in jobs(project):
        named = job.get("strategy", {}).get("matrix", {}).get("environment", [])
        for step in job.get("steps", []):
            named += re.findall(r"tox -e ([a-z]+)", step.get("run", ""))
        if project == matrix.TEMPLATE and "integration" in named:
            named.remove("integration")  # In the charm that the workflow bakes.
        for environment in named:
            assert f"testenv:{environment}" in tox, name


@parameters.FUNCTIONAL
def test_every_pull_request_is_linted_tested_packed_and_integrated(
    baker: baking.Baker, variant: matrix.Variant
):
    folder = baker.bake(variant) / ".github" / "workflows"
    checks, integration = load(folder / "checks.yaml"), load(folder / "integration.yaml")

    assert "pull_request" in checks["on"] and "pull_request" in integration["on"]
    assert checks["jobs"]["tox"]["strategy"]["matrix"]["environment"] == ["lint", "unit"]
    for check_name in ("fmt -check -diff -recursive", "validate", "test"):
        step = {"run": f"tofu -chdir=terraform {check_name}"}
        assert step in checks["jobs"]["terraform"]["steps"]
    assert integration["jobs"]["integration"]["needs"] == "pack"
    python = f"--python {matrix.PYTHONS[variant['base']]} tox -e"
    assert python in (folder / "checks.yaml").read_text()
    assert python in (folder / "integration.yaml").read_text()


@parameters.FUNCTIONAL
def test_the_integration_tests_run_on_each_juju_that_suits_the_harness(
    baker: baking.Baker, variant: matrix.Variant
):
    workflow = load(baker.bake(variant) / ".github" / "workflows" / "integration.yaml")
    job = workflow["jobs"]["integration"]

    assert job["strategy"]["matrix"]["juju"] == matrix.JUJU_CHANNELS[variant["integration_tests"]]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    preset = CONCIERGE_PRESETS[variant["substrate"]]
    assert f'sudo concierge prepare -p {preset} --juju-channel="$JUJU_CHANNEL"' in commands
    jubilant = variant["integration_tests"] == "jubilant"
    assert any("--juju-dump-logs=logs" in command for command in commands) == jubilant
    assert any("juju debug-log" in command for command in commands) != jubilant
    assert job["steps"][-1]["with"]["path"] == "logs"


@pytest.mark.parametrize(("secret", "present"), [("s3cr3t", "yes"), ("", "")])
@parameters.FUNCTIONAL
def test_only_a_repository_with_the_secret_releases(
    baker: baking.Baker, variant: matrix.Variant, tmp_path, secret: str, present: str
):
    workflow = load(baker.bake(variant) / ".github" / "workflows" / "release.yaml")
    release, token = workflow["jobs"]["release"], workflow["jobs"]["token"]

    assert workflow["on"] == {"push": {"branches": ["main"]}}
    assert set(release["needs"]) == {"checks", "integration", "token"}
    assert release["if"] == "needs.token.outputs.present == 'yes'"
    (step,) = token["steps"]
    assert step["env"] == {"CHARMHUB_TOKEN": "${{ secrets.CHARMHUB_TOKEN }}"}
    output = tmp_path / "output"
    environment = {**os.environ, "CHARMHUB_TOKEN": secret, "GITHUB_OUTPUT": str(output)}
    command.output("bash", "-ec", step["run"], env=environment)
    assert output.read_text() == f"present={present}\n"


def release(charmhub_: charmhub.Charmhub, charm: pathlib.Path) -> int:
    """Run the step of a charm's workflow that releases, and return its exit code."""
    job = load(charm / ".github" / "workflows" / "release.yaml")["jobs"]["release"]
    (step,) = (step for step in job["steps"] if step.get("name") == "Release to edge")
    assert step["env"].pop("CHARMCRAFT_AUTH") == "${{ secrets.CHARMHUB_TOKEN }}"
    return charmhub_.run(step["run"], step["env"])


@parameters.SUBSTRATES
def test_a_release_takes_every_packed_charm_to_edge(baker: baking.Baker, tmp_path, substrate: str):
    charm = baker.bake({"substrate": substrate})
    hub = charmhub.Charmhub(tmp_path, charm)

    assert release(hub, charm) == 0

    kubernetes = substrate == "kubernetes"
    resources = {"workload-image": charmhub.IMAGE_REVISION} if kubernetes else {}
    assert hub.released == [
        {"file": f"packed/{name}", "channel": "edge", "resources": resources}
        for name in charmhub.PACKED
    ]
    declared = yaml.safe_load((charm / "charmcraft.yaml").read_text()).get("resources", {})
    assert hub.images == [f"docker://{it['upstream-source']}" for it in declared.values()]


@parameters.SUBSTRATES
def test_a_charm_that_charmhub_refuses_fails_the_release(
    baker: baking.Baker, tmp_path, substrate: str
):
    charm = baker.bake({"substrate": substrate})
    hub = charmhub.Charmhub(tmp_path, charm, refuses=charmhub.PACKED[1])

    assert release(hub, charm) != 0

    assert f"packed/{charmhub.PACKED[1]}" not in [it["file"] for it in hub.released]


@parameters.SUBSTRATES
def test_what_is_in_edge_is_promoted_by_hand_with_a_note(
    baker: baking.Baker, tmp_path, substrate: str
):
    charm = baker.bake({"substrate": substrate})
    workflow = load(charm / ".github" / "workflows" / "promote.yaml")
    hub = charmhub.Charmhub(tmp_path, charm)
    assert release(hub, charm) == 0
    edge = hub.released

    assert list(workflow["on"]) == ["workflow_dispatch"]
    assert workflow["on"]["workflow_dispatch"]["inputs"]["note"]["required"] == "true"
    step = workflow["jobs"]["promote"]["steps"][-1]
    assert step["env"]["NOTE"] == "${{ inputs.note }}"
    summary = tmp_path / "summary"
    environment = {"NAME": step["env"]["NAME"], "NOTE": "It held for a week; `$(id)`."}
    environment["GITHUB_STEP_SUMMARY"] = str(summary)
    assert hub.run(step["run"], environment) == 0

    assert [it for it in hub.released if it["channel"] == "latest/stable"] == [
        {**it, "channel": "latest/stable"} for it in edge
    ]
    assert summary.read_text().splitlines()[0] == environment["NOTE"]
    assert "latest/stable" in summary.read_text()


@pytest.mark.parametrize(("tag", "published"), [("1.0.0", True), ("9.9.9", False)])
def test_a_tag_is_released_with_its_part_of_the_changelog(tmp_path, tag: str, published: bool):
    workflow = load(matrix.TEMPLATE / ".github" / "workflows" / "release.yaml")
    job = workflow["jobs"]["release"]
    for file in ("CHANGELOG.md", "pyproject.toml"):
        shutil.copy(matrix.TEMPLATE / file, tmp_path)
    (script,) = (step["run"] for step in job["steps"] if step.get("name", "").startswith("Take"))

    result = command.run(
        *("bash", "-eo", "pipefail", "-c", script),
        cwd=tmp_path,
        env={**os.environ, "TAG": tag},
    )

    assert job["needs"] == "tests"
    assert workflow["jobs"]["tests"]["uses"] == "./.github/workflows/tests.yaml"
    assert (result.returncode == 0) == published
    if published:
        notes = (tmp_path / "notes.md").read_text()
        assert "### Added" in notes and "\n## " not in notes


@pytest.mark.parametrize("name", ["tests.yaml", "integration.yaml"])
def test_the_template_lists_its_jobs_as_json(tmp_path, name: str):
    """As GitHub reads them: a line per output, of which fromJSON makes a matrix."""
    workflow = load(matrix.TEMPLATE / ".github" / "workflows" / name)
    (script,) = (step["run"] for step in workflow["jobs"]["list"]["steps"] if "run" in step)
    output = tmp_path / "output"
    environment = {**os.environ, "GITHUB_OUTPUT": str(output)}

    command.output("bash", "-ec", script, cwd=matrix.TEMPLATE, env=environment)

    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    assert set(outputs) == set(workflow["jobs"]["list"]["outputs"])
    used = set(re.findall(r"fromJSON\(needs\.list\.outputs\.([\w-]+)\)", str(workflow)))
    assert used
    for key in used:
        assert {job["name"] for job in json.loads(outputs[key])} == {
            matrix.name(variant) for variant in matrix.functional()
        }


def test_the_jobs_that_the_template_starts_are_the_variants():
    """Each has the keys that the workflows read, and the tests' own list is the only one.

    The Python of GitHub's runners, which lists them, has no packages (-S).
    """
    printed = command.output(
        *(sys.executable, "-S", "-m", "tools.matrix", "juju-jobs"), cwd=matrix.TEMPLATE
    )

    started = yaml.safe_load(printed)
    assert [job["name"] for job in matrix.jobs()] == [
        matrix.name(variant) for variant in matrix.functional()
    ]
    assert {(job["name"], job["juju"]) for job in started} == {
        (matrix.name(variant), channel)
        for variant in matrix.functional()
        for channel in matrix.JUJU_CHANNELS[variant["integration_tests"]]
    }
    for workflow in workflows(matrix.TEMPLATE):
        read = set(re.findall(r"matrix\.(\w+)", workflow.read_text()))
        assert read <= set(started[0]) | {"folder"}, workflow.name


def test_the_jobs_that_update_an_older_version_have_it():
    """They run the tests of a variant, or all."""
    updating = {
        name: job["steps"][0]["with"].get("fetch-depth")
        for name, job in jobs(matrix.TEMPLATE)
        if re.search(r'-k "\$VARIANT"|tox -e pins', str(job.get("steps")))
    }

    assert updating == {"newest.yaml: newest": "0", "tests.yaml: variant": "0"}


def test_the_templates_final_job_requires_all_others():
    all_jobs = load(matrix.TEMPLATE / ".github" / "workflows" / "tests.yaml")["jobs"]
    final = all_jobs["all"]

    assert set(final["needs"]) == set(all_jobs) - {"all"}
    assert final["if"] == "always()"
    assert 'all(.[]; .result == "success")' in final["steps"][0]["run"]


def test_the_templates_jobs_run_every_test_between_them():
    """What the variants' names select, and what they don't, is everything."""
    script = (matrix.TEMPLATE / ".github" / "workflows" / "tests.yaml").read_text()

    folders = {path.parent.name for path in (matrix.TEMPLATE / "tests").glob("*/test_*.py")}
    all_jobs = load(matrix.TEMPLATE / ".github" / "workflows" / "tests.yaml")["jobs"]
    assert set(all_jobs["folder"]["strategy"]["matrix"]["folder"]) == folders
    assert '"tests/$FOLDER"' in script and "FOLDER: ${{ matrix.folder }}" in script
    assert '-k "$VARIANT"' in script and "VARIANT: ${{ matrix.name }}" in script
    assert '-k "$TESTS"' in script
    assert "TESTS: ${{ needs.list.outputs.other-tests }}" in script
    selected = matrix.other_tests().removeprefix("not (").removesuffix(")").split(" or ")
    assert selected == [job["name"] for job in matrix.jobs()]
