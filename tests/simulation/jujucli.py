"""The juju command, as far as the generated integration tests use it."""

from __future__ import annotations

import argparse
import json
import pathlib
import threading
import time
from typing import TYPE_CHECKING

from tests.simulation import hosts, model
from tests.simulation.arguments import FLAG, arg, make_parser

if TYPE_CHECKING:
    from tests.simulation import controller

WHEN = "2026-01-01T00:00:00Z"  # Where Juju says since when; nothing here depends on it.


def run(simulated: controller.Controller, args: list[str]) -> tuple[int, str, str]:
    """Run one juju command, and return its exit status, standard output and standard error.

    Raises:
        RefusedError: if Juju refuses.
    """
    if not args or args[0] not in _COMMANDS:
        raise model.RefusedError(f"the simulated juju has no command {' '.join(args)!r}")
    options = _COMMANDS[args[0]].parse_args(args[1:])
    result = globals()[f"_{args[0].replace('-', '_')}"](simulated, options)
    return result if isinstance(result, tuple) else (0, result or "", "")


def _add_model(simulated: controller.Controller, options: argparse.Namespace) -> None:
    pass


def _set_model_constraints(simulated: controller.Controller, options: argparse.Namespace) -> None:
    pass


def _models(simulated: controller.Controller, options: argparse.Namespace) -> None:
    pass


def _destroy_model(simulated: controller.Controller, options: argparse.Namespace) -> None:
    with simulated.juju.changed:
        simulated.juju.units.clear()
    for host in simulated.hosts.values():
        host.stop()


def _deploy(simulated: controller.Controller, options: argparse.Namespace) -> None:
    _check_charm(simulated, options)
    if options.app != simulated.juju.app:
        raise model.RefusedError(f"the simulated model is for {simulated.juju.app}")
    for _ in range(options.num_units):
        simulated.hosts[simulated.add_unit().name].start()


def _refresh(simulated: controller.Controller, options: argparse.Namespace) -> None:
    _check_charm(simulated, options)
    with simulated.juju.changed:
        simulated.juju.charm_version += 1
        simulated.juju.changed.notify_all()
    if simulated.is_kubernetes:
        threading.Thread(target=_roll, args=(simulated,), daemon=True).start()


def _roll(simulated: controller.Controller) -> None:
    """Replace the pods of a stateful set, the highest ordinal first."""
    for host in reversed(simulated.hosts.values()):
        assert isinstance(host, hosts.Pod)
        host.replace(simulated.packed)


def _check_charm(simulated: controller.Controller, options: argparse.Namespace) -> None:
    if not pathlib.Path(options.charm).is_file():
        raise model.RefusedError(f'no charm was found at "{options.charm}"')
    given = {resource.split("=")[0] for resource in options.resource}
    if missing := set(simulated.metadata.get("resources", {})) - given:
        raise model.RefusedError(f"local charm missing OCI images for: {', '.join(missing)}")


def _remove_unit(simulated: controller.Controller, options: argparse.Namespace) -> None:
    if simulated.is_kubernetes:
        raise model.RefusedError("k8s models only support --num-units")
    with simulated.juju.changed:
        _unit(simulated, options.unit).dying = True
        simulated.juju.changed.notify_all()


def _config(simulated: controller.Controller, options: argparse.Namespace) -> None:
    with simulated.juju.changed:
        simulated.juju.config.update(pair.split("=", 1) for pair in options.pairs)
        simulated.juju.config_version += 1
        simulated.juju.changed.notify_all()


def _debug_log(simulated: controller.Controller, options: argparse.Namespace) -> str:
    return simulated.log.read_text() + "\n".join(simulated.juju.log)


def _secrets(simulated: controller.Controller, options: argparse.Namespace) -> str:
    with simulated.juju.changed:
        listed = {
            secret.id: {
                "revision": secret.latest,
                "owner": simulated.juju.app,
                "label": secret.label,
                "created": WHEN,
                "updated": WHEN,
            }
            for secret in simulated.juju.secrets.values()
        }
    return json.dumps(listed)


def _run(simulated: controller.Controller, options: argparse.Namespace) -> tuple[int, str, str]:
    juju = simulated.juju
    with juju.changed:
        unit = _unit(simulated, options.unit)
        action = model.Action(str(len(juju.log) + len(juju.history) + 1), options.action)
        unit.actions.append(action)
        juju.changed.notify_all()
        deadline = time.monotonic() + juju.timing.action
        while action.status == "pending":
            if time.monotonic() > deadline:
                return 1, "", f"ERROR timed out waiting for results from: unit {unit.name}\n"
            juju.changed.wait(0.2)
    code = int(action.results["return-code"])
    task = {
        "id": action.id,
        "unit": unit.name,
        "status": action.status,
        "message": action.message,
        "results": {**action.results, "return-code": code},
    }
    stderr = f'ERROR the following task failed:\n - id "{action.id}"\n'
    failed = action.status == "failed"
    return int(failed), json.dumps({unit.name: task}), stderr if failed else ""


def _ssh(simulated: controller.Controller, options: argparse.Namespace) -> tuple[int, str, str]:
    host = simulated.hosts[_unit(simulated, options.unit).name]
    if simulated.juju.loses(" ".join(options.command)):
        return 0, "", ""
    result = host.run(*options.command)
    return result.returncode, result.stdout, ""


def _status(simulated: controller.Controller, options: argparse.Namespace) -> str:
    juju = simulated.juju
    with juju.changed:
        units = {unit.name: _unit_status(juju, unit) for unit in juju.units.values()}
        current, message = juju.status or ("unknown", "")
        app = {
            "charm": f"local:{juju.app}-{juju.charm_version}",
            "charm-origin": "local",
            "charm-name": juju.app,
            "charm-rev": juju.charm_version,
            "exposed": False,
            "application-status": {"current": current, "message": message, "since": WHEN},
            "units": units,
        }
    status = {
        "model": {
            "name": "simulated",
            "type": "caas" if simulated.is_kubernetes else "iaas",
            "controller": "simulated",
            "cloud": "simulated",
            "version": "3.6.9",
        },
        "machines": {},
        "applications": {juju.app: app},
    }
    return json.dumps(status)


def _unit_status(juju: model.Model, unit: model.Unit) -> dict[str, object]:
    current, message = unit.status if unit.retry_at is None else ("error", "hook failed")
    status: dict[str, object] = {
        "workload-status": {"current": current, "message": message, "since": WHEN},
        "juju-status": {"current": unit.agent, "since": WHEN},
    }
    if juju.is_shown_as_leader(unit):
        status["leader"] = True
    if unit.charm != juju.charm_version:
        status["upgrading-from"] = f"local:{juju.app}-{unit.charm}"
    return status


def _unit(simulated: controller.Controller, name: str) -> model.Unit:
    if name.endswith("/leader"):
        name = str(simulated.juju.leader)
    if name not in simulated.juju.units:
        raise model.RefusedError(f'unit "{name}" not found')
    return simulated.juju.units[name]


_RESOURCE = arg("--resource", action="append", default=[])
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
        "config": (arg("app"), arg("pairs", nargs="*")),
        "debug-log": (
            arg("--limit"),
            arg("--level"),
            *(arg(f"--{flag}", **FLAG) for flag in ("replay", "no-tail")),
        ),
        "models": (),
        "secrets": (),
        "run": (arg("unit"), arg("action")),
        "ssh": (arg("--container"), arg("unit"), arg("command", nargs=argparse.REMAINDER)),
        "status": (),
    }.items()
}
