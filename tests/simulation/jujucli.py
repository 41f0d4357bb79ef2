"""The juju command, as far as the generated integration tests use it.

What it prints, its exit statuses and the keys of its JSON were seen on Juju 4; recordings of it
are in tests/juju/recordings/. Texts of its own say that they are of the simulated juju.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shlex
import subprocess
import threading

from tests.simulation import deployment, hosts, model
from tests.simulation.arguments import FLAG, arg, make_parser

Answer = tuple[int, str, str]
# Where Juju says since when; nothing here depends on it.
SINCE = "01 Jan 2026 00:00:00Z"
CREATED = "2026-01-01T00:00:00Z"
TIME = "2026-01-01 00:00:00 +0000 UTC"
AGENT_LOST = "agent lost, see `juju debug-logs` or `juju show-status-log` for more information"


def run(running: deployment.Deployment, args: list[str]) -> Answer:
    """Run one juju command, and return its exit status, standard output and standard error.

    Raises:
        CommandError: if Juju refuses.
    """
    if not args or args[0] not in _COMMANDS:
        raise model.CommandError(f"the simulated juju has no command {' '.join(args)!r}")
    options = _COMMANDS[args[0]].parse_args(args[1:])
    result = globals()[f"_{args[0].replace('-', '_')}"](running, options)
    return result if isinstance(result, tuple) else (0, result or "", "")


def _add_model(running: deployment.Deployment, options: argparse.Namespace) -> None:
    pass


def _set_model_constraints(running: deployment.Deployment, options: argparse.Namespace) -> None:
    pass


def _models(running: deployment.Deployment, options: argparse.Namespace) -> None:
    pass


def _destroy_model(running: deployment.Deployment, options: argparse.Namespace) -> None:
    with running.juju.changed:
        running.juju.units.clear()
    for host in running.hosts.values():
        host.stop()


def _deploy(running: deployment.Deployment, options: argparse.Namespace) -> None:
    _check_charm(running, options)
    if options.app != running.juju.app:
        raise model.CommandError(f"the simulated model is for {running.juju.app}")
    for _ in range(options.num_units):
        running.start(running.add_unit())


def _refresh(running: deployment.Deployment, options: argparse.Namespace) -> None:
    _check_charm(running, options)
    with running.juju.changed:
        before = running.juju.charm_version
        running.juju.refresh()
        rolls = running.is_kubernetes and running.juju.charm_version != before
    if rolls:
        threading.Thread(target=_roll, args=(running,), daemon=True).start()


def _roll(running: deployment.Deployment) -> None:
    """Replace the pods of a stateful set one by one, the highest ordinal first."""
    with running.juju.clock.held():
        for host in reversed(running.hosts.values()):
            assert isinstance(host, hosts.Pod)
            host.replace(running.packed)


def _check_charm(running: deployment.Deployment, options: argparse.Namespace) -> None:
    if not pathlib.Path(options.charm).is_file():
        raise model.CommandError(f'no charm was found at "{options.charm}"')
    given = {resource.split("=")[0] for resource in options.resource}
    if missing := set(running.metadata.get("resources", {})) - given:
        raise model.CommandError(f"local charm missing OCI images for: {', '.join(missing)}")


def _remove_unit(running: deployment.Deployment, options: argparse.Namespace) -> str:
    if running.is_kubernetes:
        raise model.CommandError(
            "k8s models do not support removing named units.\n"
            "Instead specify an application with --num-units.\n",
            status=2,
        )
    with running.juju.changed:
        running.juju.remove(_unit(running, options.unit))
    return f"will remove unit {options.unit}\n"


def _debug_log(running: deployment.Deployment, options: argparse.Namespace) -> str:
    return running.log.read_text() + "\n".join(running.juju.log)


def _secrets(running: deployment.Deployment, options: argparse.Namespace) -> str:
    with running.juju.changed:
        listed = {
            secret.id: {
                "revision": secret.latest,
                **({} if secret.rotation == "never" else {"rotates": CREATED}),
                "rotation": secret.rotation,
                "owner": secret.owner or running.juju.app,
                "label": secret.label,
                "created": CREATED,
                "updated": CREATED,
            }
            for secret in running.juju.secrets.values()
        }
    return json.dumps(listed)


def _run(running: deployment.Deployment, options: argparse.Namespace) -> Answer:
    juju = running.juju
    with juju.changed:
        name = _leader(running, options.unit)
        if name not in juju.units:
            problem = f"Operation {juju.operations} failed to schedule any tasks"
            reason = f'linking task to unit: getting unit UUID for "{name}"'
            return 0, "", f'\n{problem}:\n{reason}: unit "{name}" not found\n'
        if options.action not in running.actions:
            reason = f'action "{options.action}" not defined for unit "{name}". (not found)'
            return 1, "{}\n", f"ERROR {reason}\n"
        operation, action = juju.enqueue(juju.units[name], options.action)
        progress = (
            f"Running operation {operation} with 1 task\n  - task {action.id} on "
            f"unit-{name.replace('/', '-')}\n\nWaiting for task {action.id}...\n"
        )
        wait = juju.timing.action if options.wait is None else float(options.wait.rstrip("s"))
        if not juju.clock.wait(wait, lambda: action.status != "pending"):
            problem = f"ERROR timed out waiting for results from: unit {name}\n"
            return 1, "{}\n", progress + problem
        juju.clock.advance(juju.timing.run)
    task = {
        "id": action.id,
        **({"message": action.message} if action.message else {}),
        "results": action.results,
        "status": action.status,
        "timing": {"enqueued": TIME, "started": TIME},
        "unit": name,
    }
    # An action that failed by action-fail, or at its commit, is no failure of the command.
    code = action.results["return-code"]
    return _failure(action.id, code, json.dumps({name: task}), progress)


def _exec(running: deployment.Deployment, options: argparse.Namespace) -> Answer:
    """Run a command in the charm's folder, outside of any hook, once there is an agent."""
    if options.format != "json":
        raise model.CommandError("the simulated juju exec answers in JSON alone")
    unit = _unit(running, options.unit)
    host = running.hosts[unit.name]
    wait = float((options.wait or "300s").rstrip("s"))
    with running.juju.changed:
        number = str(running.juju.operations + 1)
        running.juju.operations += 2
        is_lost = running.juju.loses(" ".join(options.command))
        if not running.juju.clock.wait(wait, lambda: unit.alive and not is_lost):
            return 1, "{}\n", f"ERROR timed out waiting for results from: unit {unit.name}\n"
    command = [arg for arg in options.command if arg != "--"]
    # One argument is a script; several are one command.
    script = command[0] if len(command) == 1 else shlex.join(command)
    shell = ("sh", "-c", 'cd "$1"; eval "$2"', "sh", host.charm_folder, script)
    result = host.run(*shell, stderr=subprocess.PIPE)
    printed = {"stderr": result.stderr, "stdout": result.stdout}
    task = {
        "id": number,
        "results": {"return-code": result.returncode, **{k: v for k, v in printed.items() if v}},
        "status": "completed",
        "timing": {"enqueued": TIME, "started": TIME},
        "unit": unit.name,
    }
    return _failure(number, result.returncode, json.dumps({unit.name: task}), "")


def _failure(task: str, code: object, output: str, progress: str) -> Answer:
    if not code:
        return 0, output, progress
    problem = f'ERROR the following task failed:\n - id "{task}" with return code {code}\n\n'
    return 1, output, f"{progress}{problem}use 'juju show-task' to inspect the failure\n\n"


def _ssh(running: deployment.Deployment, options: argparse.Namespace) -> Answer:
    unit = _unit(running, options.unit)
    host = running.hosts[unit.name]
    containers = ["charm", *running.metadata.get("containers", {})]
    if options.container and options.container not in containers:
        known = ", ".join(containers)
        raise model.CommandError(f'container "{options.container}" must be one of {known}')
    if running.juju.loses(" ".join(options.command)):
        return 0, "", ""
    # The arguments are joined, and one shell takes them apart again.
    container = {"container": options.container} if options.container else {}
    shell = ("sh", "-c", " ".join(options.command))
    result = host.run(*shell, **container, stderr=subprocess.PIPE)
    if not unit.alive and host.runs_agent():
        # It takes real time until it reports, which the clock has to wait for.
        with running.juju.changed:
            unit.starting = not unit.alive
    if not result.returncode:
        return 0, result.stdout, result.stderr
    if not running.is_kubernetes:
        problem = f"the simulated juju ssh to a machine knows no failure: {result.stderr}"
        raise model.CommandError(problem)
    failed = f"ERROR command terminated with exit code {result.returncode}\n"
    return 1, result.stdout, result.stderr + failed


def _status(running: deployment.Deployment, options: argparse.Namespace) -> str:
    juju = running.juju
    with juju.changed:
        units = list(juju.units.values())
        shown = {unit.name: _unit_status(juju, unit) for unit in units}
        base = {"name": "ubuntu", "channel": "24.04"}
        app = {
            "charm": f"local:{juju.app}-{juju.charm_version}",
            "base": base,
            "charm-origin": "local",
            "charm-name": juju.app,
            "charm-rev": juju.charm_version,
            **(_pods(juju) if juju.is_kubernetes else {}),
            "exposed": False,
            "life": "alive",
            "application-status": _show(*(juju.status or ("unknown", ""))),
            "relations": {
                "peers": [
                    {
                        "related-application": juju.app,
                        "interface": "peers",
                        "scope": "global",
                    }
                ]
            },
            **({"units": shown} if units else {}),
            **({"version": juju.workload_version} if juju.workload_version else {}),
            "endpoint-bindings": {"": "alpha", "juju-info": "alpha", "peers": "alpha"},
        }
        machines = {} if juju.is_kubernetes else {str(u.number): _machine(u, base) for u in units}
    status = {
        "model": {
            "name": "simulated",
            "type": "caas" if juju.is_kubernetes else "iaas",
            "controller": "simulated",
            "cloud": "simulated",
            **({} if juju.is_kubernetes else {"region": "simulated"}),
            "version": juju.release.version,
            "model-status": _show("available", ""),
        },
        "machines": machines,
        "applications": {juju.app: app},
        "storage": {},
        "controller": {"timestamp": "00:00:00Z"},
    }
    return json.dumps(status)


def _show(current: str, message: str, **more: str) -> dict[str, str]:
    said = {"message": message} if message else {}
    return {"current": current, **said, "since": SINCE, **more}


def _pods(juju: model.Model) -> dict[str, object]:
    alive = [unit for unit in juju.units.values() if not unit.dying]
    scale = {"scale": len(alive)} if alive else {}
    return {**scale, "provider-id": model.UUID, "address": model.CLUSTER_IP}


def _machine(unit: model.Unit, base: dict[str, str]) -> dict[str, object]:
    name = f"juju-{unit.number}"
    return {
        "juju-status": {**_show("started", ""), "life": "alive"},
        "hostname": name,
        "dns-name": unit.address,
        "ip-addresses": [unit.address],
        "instance-id": name,
        "machine-status": {"current": "running", "message": "Running", "life": "alive"},
        "modification-status": {},
        "base": base,
        "network-interfaces": {},
        "constraints": "arch=amd64",
        "hardware": "arch=amd64 availability-zone=simulated virt-type=container",
    }


def _unit_status(juju: model.Model, unit: model.Unit) -> dict[str, object]:
    lost = unit.agent in ("lost", "stopped")
    workload = unit.status if unit.failed is None else ("error", "hook failed")
    if lost:
        workload = ("unknown", AGENT_LOST)
    message = "agent is not communicating with the server" if lost else ""
    agent = _show("lost" if lost else unit.agent, message, version=juju.release.version)
    if juju.is_kubernetes:
        where = {"address": unit.address, "provider-id": unit.name.replace("/", "-")}
    else:
        where = {"machine": str(unit.number), "public-address": unit.address}
    status: dict[str, object] = {"workload-status": _show(*workload), "juju-status": agent}
    if juju.is_shown_as_leader(unit):
        status["leader"] = True
    if juju.release.shows_upgrading_from and unit.charm != juju.charm_version:
        status["upgrading-from"] = f"local:{juju.app}-{unit.charm}"
    return status | where


def _unit(running: deployment.Deployment, name: str) -> model.Unit:
    name = _leader(running, name)
    if name not in running.juju.units:
        raise model.CommandError(f'getting unit "{name}": unit {name} not found')
    return running.juju.units[name]


def _leader(running: deployment.Deployment, name: str) -> str:
    """Return a unit's name, of APP/leader too."""
    return str(running.juju.leader) if name.endswith("/leader") else name


_RESOURCE = arg("--resource", action="append", default=[])
_COMMAND = arg("command", nargs=argparse.REMAINDER)
_COMMANDS = {
    command: make_parser(f"the simulated juju {command}", arg("--model", "-m"), *options)
    for command, options in {
        "add-model": (arg("name"), arg("--no-switch", **FLAG)),
        "set-model-constraints": (arg("pairs", nargs="*"),),
        "destroy-model": (
            arg("name"),
            *(arg(f"--{flag}", **FLAG) for flag in ("no-prompt", "destroy-storage", "force")),
        ),
        "deploy": (
            arg("charm"),
            arg("app"),
            arg("--num-units", type=int, default=1),
            _RESOURCE,
        ),
        "refresh": (arg("app"), arg("--path", dest="charm", required=True), _RESOURCE),
        "remove-unit": (arg("unit"), arg("--no-prompt", **FLAG)),
        "debug-log": (
            arg("--limit"),
            arg("--level"),
            *(arg(f"--{flag}", **FLAG) for flag in ("replay", "no-tail")),
        ),
        "models": (),
        "secrets": (),
        "run": (arg("--wait"), arg("unit"), arg("action")),
        "exec": (arg("--wait"), arg("--unit", required=True), _COMMAND),
        "ssh": (arg("--container"), arg("unit"), _COMMAND),
        "status": (),
    }.items()
}
