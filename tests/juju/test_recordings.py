"""Does the simulated Juju answer and order its hooks as a real one was recorded to do?"""

from __future__ import annotations

import collections
import functools
import json
import pathlib
import string
import subprocess
import threading
import types
from typing import Any

import pytest
import yaml

from tests.simulation import deployment, hookcommands, jujucli, model, releases

RECORDINGS = pathlib.Path(__file__).parent / "recordings"
SECRET = "s" * 20
CONTENT = {"username": "admin", "password": "first"}
SUBSTRATES = ("machine", "kubernetes")


@functools.cache
def load(name: str) -> Any:
    """Load a recording."""
    return yaml.safe_load((RECORDINGS / f"{name}.yaml").read_text())


class Application:
    """Units without hosts or charms: what matters to Juju is done as the template's charm does."""

    def __init__(self, units: int, substrate: str = "machine", **options: Any):
        self.juju = model.Model("app", **options)
        self.juju.is_kubernetes = substrate == "kubernetes"
        self.juju.config = {"log-level": "info"}
        self._ran: dict[int, list[str]] = collections.defaultdict(list)
        for _ in range(units):
            self.add()

    def unit(self, number: int) -> model.Unit:
        """Return a unit by its number."""
        return self.juju.units[f"app/{number}"]

    def add(self) -> model.Unit:
        """Add a unit, which leads if it is the only one."""
        unit = self.juju.add_unit()
        if self.juju.is_kubernetes:
            unit.boots = {"workload": "first"}
        self.juju.claim(unit)
        return unit

    def settle(self) -> dict[int, list[str]]:
        """Let the units run hooks in turn until they are idle, and return what each has run."""
        self._ran.clear()
        steps = [True]
        while any(steps):
            steps = [self._step(unit) for unit in list(self.juju.units.values())]
        return dict(self._ran)

    def elect(self) -> None:
        """Let the first unit that can claim the lease, if it is free."""
        for unit in self.juju.units.values():
            if unit.agent != "lost" and not unit.dying:
                self.juju.claim(unit)

    def _step(self, unit: model.Unit) -> bool:
        hook = None if unit.agent == "lost" else self.juju.due_hook(unit)
        if hook is not None:
            self._run(unit, hook)
        elif unit.dying:
            self.juju.remove_unit(unit)
            self.elect()
        return hook is not None or unit.dying

    def _run(self, unit: model.Unit, hook: model.Hook) -> None:
        name = hook.name.removeprefix("peers-relation-").removeprefix("workload-")
        if name in ("joined", "changed", "departed"):
            name += f" {hook.environment['JUJU_REMOTE_UNIT'].rpartition('/')[2] or 'app'}"
        self._ran[unit.number].append(name)
        context = hookcommands.Context(self.juju, unit, hook)
        if hook.name == "leader-elected":
            settings = {"leader": unit.name, "credentials-id": f"secret://{model.UUID}/{SECRET}"}
            context.run("relation-set", ["--app", "--file", "-"], json.dumps(settings))
            secret = model.Secret(SECRET, "credentials", {1: dict(CONTENT)}, {unit.name: 1})
            self.juju.secrets.setdefault(SECRET, secret)
        if name in ("changed app", "secret-changed"):
            context.run("secret-get", ["--label", "credentials", "--refresh"], "")
        if hook.name == "secret-remove":
            revision = hook.environment["JUJU_SECRET_REVISION"]
            secret_id = hook.environment["JUJU_SECRET_ID"]
            context.run("secret-remove", [secret_id, "--revision", revision], "")
        assert context.finish(0)


# Hook commands

CASES = [
    pytest.param(role, case, expected, id=f"{role}: {case['command']}")
    for case in load("hook-commands")
    for role in ("leader", "follower")
    if (expected := case.get(role, case.get("both"))) is not None
]


@pytest.mark.parametrize("role,case,expected", CASES)
def test_hook_commands_answer_alike(role: str, case: dict[str, Any], expected: dict[str, Any]):
    app = Application(2)
    app.settle()
    unit = app.unit(int(role == "follower"))
    names = {"ID": SECRET, "UUID": model.UUID}
    command, *args = string.Template(case["command"]).substitute(names).split()
    context = hookcommands.Context(app.juju, unit, model.Hook("update-status"))

    if expected.get("status") == 127:
        assert command not in hookcommands.COMMANDS
        return
    found: dict[str, Any] = {}
    try:
        text = context.run(command, args, json.dumps(case.get("stdin"))).strip()
        found = {"text": text} if "text" in expected else {}
        found |= {"prints": json.loads(text)} if "prints" in expected else {}
        found |= {"keys": sorted(json.loads(text))} if "keys" in expected else {}
        names["NEW"] = text.rpartition("/")[2]
        app.juju.log.clear()
        if not context.finish(0):
            found["commit"] = app.juju.log[0].partition("ERROR ")[2]
    except model.CommandError as e:
        found = {"status": e.status, "error": str(e)}

    assert found == json.loads(string.Template(json.dumps(expected)).substitute(names))


def test_the_peer_relation_is_not_listed_in_install():
    """Juju 3.6 lists it, and refuses its data."""
    answers = {}
    for release in (releases.JUJU_4, releases.JUJU_3_6):
        app = Application(1, release=release)
        context = hookcommands.Context(app.juju, app.unit(0), model.Hook("install"))
        listed = json.loads(context.run("relation-ids", ["peers"], ""))
        with pytest.raises(model.CommandError) as refused:
            context.run("relation-get", ["-r", "peers:0", "-", "app/0"], "")
        answers[release] = (listed, refused.value.status, str(refused.value))

    not_found = 'invalid value "peers:0" for option -r: relation not found'
    assert answers[releases.JUJU_4] == ([], 2, not_found)
    assert answers[releases.JUJU_3_6] == (["peers:0"], 1, "permission denied")


def test_a_dying_leader_leads_though_the_relation_is_broken():
    """In peers-relation-broken its data can be read, and afterwards the relation is gone."""
    app = Application(2)
    app.settle()
    unit = app.unit(0)
    app.juju.remove(unit)
    answers = {}
    while (hook := app.juju.next_hook(unit)) is not None:
        context = hookcommands.Context(app.juju, unit, hook)
        found = [context.run("is-leader", [], ""), context.run("relation-ids", ["peers"], "")]
        try:
            found.append(context.run("relation-get", ["-r", "0", "leader", "app", "--app"], ""))
        except model.CommandError as e:
            found.append(str(e.status))
        answers[hook.name] = [json.loads(answer) for answer in found]
        context.finish(0)

    assert answers == {
        "peers-relation-departed": [True, ["peers:0"], "app/0"],
        "peers-relation-broken": [True, [], "app/0"],
        "stop": [True, [], 2],
        "remove": [True, [], 2],
    }


def test_ingress_addresses_are_the_machines_own_and_on_kubernetes_the_services():
    addresses = {}
    for substrate in SUBSTRATES:
        app = Application(3, substrate)
        units = app.juju.units.values()
        addresses[substrate] = {unit.databag["ingress-address"] for unit in units}
        assert len({unit.address for unit in units}) == 3

    assert len(addresses["machine"]) == 3
    assert addresses["kubernetes"] == {model.CLUSTER_IP}


@pytest.mark.parametrize("substrate", SUBSTRATES)
def test_a_commit_that_comes_too_late_is_refused(substrate: str):
    """On Kubernetes, which has a secret's content, it is the content that is refused."""
    recording = load("juju")
    app = Application(2, substrate)
    app.settle()
    leader = app.unit(0)
    context = hookcommands.Context(app.juju, leader, model.Hook("config-changed"))
    context.run("relation-set", ["--app", "--file", "-"], '{"key": "value"}')
    if substrate == "kubernetes":
        context.run("secret-set", [SECRET, "password=value"], "")
    app.juju.agent_lost(leader)
    app.juju.clock.advance(60)
    app.elect()

    committed = context.finish(0)

    text = recording["late commit of a content" if app.juju.is_kubernetes else "late commit"]
    assert not committed
    assert app.juju.log[-1].endswith(f"ERROR {text.replace('$ID', SECRET)}")
    assert set(app.juju.secrets[SECRET].revisions) == {1}


# Environments


def variables(app: Application, hook: model.Hook) -> dict[str, str]:
    """Return the variables of a hook or an action of app/0."""
    context = hookcommands.Context(app.juju, app.unit(0), hook)
    return deployment.hook_environment(app.juju, context, "/agents/unit-app-0/charm")


@pytest.mark.parametrize("substrate", SUBSTRATES)
def test_an_action_has_these_variables(substrate: str):
    expected = load("juju")["environment"]
    app = Application(1, substrate)
    app.settle()
    app.juju.enqueue(app.unit(0), "act")
    hook = app.juju.next_hook(app.unit(0))
    assert hook is not None

    found = variables(app, hook)

    empty = {name for name, value in found.items() if not value}
    assert sorted(found) == sorted(expected["set"] + expected["empty"])
    if substrate == "kubernetes":
        assert empty == set(expected["empty"])
    else:
        assert not empty & {"JUJU_MACHINE_ID", "JUJU_AVAILABILITY_ZONE"}


def test_departed_alone_names_the_unit_that_departs():
    app = Application(2)
    app.settle()
    app.juju.remove(app.unit(0))
    departing = {}
    while (hook := app.juju.next_hook(app.unit(0))) is not None:
        departing[hook.name] = variables(app, hook).get("JUJU_DEPARTING_UNIT")
        hook.done()

    assert departing == {
        "peers-relation-departed": "app/0",
        **dict.fromkeys(["peers-relation-broken", "stop", "remove"]),
    }


# Hooks


def recorded(substrate: str, what: str, app: Application) -> dict[int, list[str]]:
    """Return which hooks the units of an application were recorded to run."""
    hooks = load("hooks")[substrate][what]
    numbers = {unit.number for unit in app.juju.units.values()} | hooks.keys() - {"others"}
    ran = {number: hooks.get(number, hooks.get("others", [])) for number in numbers}
    return {number: names for number, names in ran.items() if names}


@pytest.mark.parametrize("substrate", SUBSTRATES)
def test_fresh_units(substrate: str):
    app = Application(3, substrate)

    assert app.settle() == recorded(substrate, "fresh, of 3", app)


def test_a_unit_is_added():
    app = Application(3)
    app.settle()
    app.add()

    assert app.settle() == recorded("machine", "added, to 3", app)


def test_the_leader_is_removed():
    app = Application(4)
    app.settle()
    app.juju.remove(app.unit(0))

    assert app.settle() == recorded("machine", "leader removed, of 4", app)


@pytest.mark.parametrize(
    "substrate,what,units",
    [
        ("machine", "leader's machine killed, of 3", 3),
        ("machine", "leader's machine killed, of 10", 10),
        ("kubernetes", "leader's agent stopped, of 3", 3),
    ],
)
def test_the_leaders_agent_is_lost_and_comes_back(substrate: str, what: str, units: int):
    """It leads for 60 s more; when it is back, it follows."""
    app = Application(units, substrate)
    app.settle()
    app.juju.agent_lost(app.unit(0))
    app.juju.clock.advance(59)
    app.elect()
    idle = app.settle()
    app.juju.clock.advance(1)
    app.elect()
    ran = app.settle()

    app.juju.agent_found(app.unit(0))

    assert idle == {}
    assert ran | app.settle() == recorded(substrate, what, app)


@pytest.mark.parametrize("substrate,units", [("machine", 4), ("kubernetes", 3)])
def test_a_rotation(substrate: str, units: int):
    app = Application(units, substrate)
    app.settle()
    app.juju.set_secret(SECRET, CONTENT | {"password": "second"})
    app.juju.secrets[SECRET].tracked["app/0"] = 2

    assert app.settle() == recorded(substrate, f"rotation, of {units}", app)
    assert set(app.juju.secrets[SECRET].revisions) == {2}


@pytest.mark.parametrize(
    "level,what", [("debug", "an option changed"), ("info", "an option set to what it was")]
)
def test_an_option_is_set(level: str, what: str):
    app = Application(3)
    app.settle()
    app.juju.configure({"log-level": level})

    assert app.settle() == recorded("machine", f"{what}, of 3", app)


def test_a_changed_option_is_one_event_on_juju_3_6():
    app = Application(1, release=releases.JUJU_3_6)
    app.settle()
    app.juju.configure({"log-level": "debug"})

    assert app.settle() == {0: ["config-changed"]}


def test_a_new_pod():
    app = Application(3, "kubernetes")
    app.settle()
    app.juju.agent_lost(app.unit(1))
    app.juju.agent_found(app.unit(1), is_new_pod=True)

    assert app.settle() == recorded("kubernetes", "a new pod, of 3", app)


def test_the_last_unit_is_removed():
    app = Application(3, "kubernetes")
    app.settle()
    app.juju.remove(app.unit(2))

    assert app.settle() == recorded("kubernetes", "the last unit removed, of 3", app)


def test_all_units_are_removed_and_one_is_made_again():
    """It has the name of the one that is gone."""
    app = Application(1, "kubernetes")
    app.settle()
    app.juju.breaks_peers = True
    app.juju.remove(app.unit(0))
    removed = app.settle()
    kept = dict(app.juju.secrets)
    app.add()

    assert removed == recorded("kubernetes", "all units removed, of 1", app)
    assert app.settle() == recorded("kubernetes", "made again, from 0", app)
    assert app.juju.secrets == kept


# The juju command


class Here:
    """What a unit runs on, which is this machine."""

    charm_folder = "/"

    def run(self, *args: str, stderr: int, container: str = "") -> Any:
        """Run a command."""
        return subprocess.run(args, stdout=subprocess.PIPE, stderr=stderr, text=True)


def ask(app: Application, *args: str) -> tuple[int, str, str]:
    """Run the juju command."""
    running: Any = types.SimpleNamespace(
        juju=app.juju,
        is_kubernetes=app.juju.is_kubernetes,
        actions={"act": {}},
        metadata={"containers": {"workload": {}}},
        hosts=dict.fromkeys(app.juju.units, Here()),
    )
    try:
        return jujucli.run(running, [*args])
    except model.CommandError as e:
        return e.status, "", f"ERROR {e}\n"


@pytest.mark.parametrize("substrate", SUBSTRATES)
def test_status_has_these_keys(substrate: str):
    expected = load("juju")["status"]
    keys = expected[substrate]
    app = Application(3, substrate)
    new = json.loads(ask(app, "status")[1])["applications"]["app"]["units"]["app/1"]
    app.settle()
    for unit in app.juju.units.values():
        unit.status, unit.agent = ("active", ""), "idle"
    app.juju.agent_lost(app.unit(0))

    status = json.loads(ask(app, "status")[1])

    application = status["applications"]["app"]
    lost, unit = (application["units"][f"app/{number}"] for number in (0, 1))
    machines = list(status["machines"].values())
    assert sorted(status) == expected["all"]
    assert sorted(status["model"]) == keys["model"]
    assert sorted(application) == keys["application"]
    assert sorted(unit) == keys["unit"]
    assert sorted(lost) == sorted([*keys["unit"], "leader"])
    assert all(sorted(machine) == keys["machine"] for machine in machines)
    assert len(machines) == (3 if substrate == "machine" else 0)
    assert sorted(unit["workload-status"]) == expected["active"]
    assert sorted(unit["juju-status"]) == expected["idle"]
    for key in ("workload-status", "juju-status"):
        assert [lost[key]["current"], lost[key]["message"]] == expected["lost"][key]
    workload = new["workload-status"]
    assert [workload["current"], workload["message"]] == expected["new"]
    assert application["charm"] == expected["first"]


def test_upgrading_from_is_shown_by_juju_3_6_alone():
    shown = {}
    for release in (releases.JUJU_4, releases.JUJU_3_6):
        app = Application(1, release=release)
        app.settle()
        app.juju.refresh()
        unit = json.loads(ask(app, "status")[1])["applications"]["app"]["units"]["app/0"]
        shown[release] = unit.get("upgrading-from")

    assert shown == {releases.JUJU_4: None, releases.JUJU_3_6: "local:app-0"}


def test_secrets_have_these_keys():
    app = Application(1)
    app.settle()

    secrets = json.loads(ask(app, "secrets", "--format=json")[1])

    assert {id_: sorted(secret) for id_, secret in secrets.items()} == {
        SECRET: load("juju")["secrets"]
    }


def finish(app: Application, commands: list[str], code: int) -> None:
    """Be the agent of app/1 that runs an action, as soon as there is one."""
    unit = app.unit(1)
    with app.juju.changed:
        app.juju.changed.wait_for(lambda: unit.actions, timeout=60)
        hook = app.juju.due_hook(unit)
        assert hook is not None
        context = hookcommands.Context(app.juju, unit, hook)
        for command in commands:
            name, *args = command.split(maxsplit=1)
            context.run(name, args, "")
        context.finish(code)


@pytest.mark.parametrize(
    "what,commands,code",
    [
        ("completed", ["action-set a=b"], 0),
        ("action-fail", ["action-set half=done", "action-fail refused: no"], 0),
        ("crash", [], 3),
        ("refused commit", [f"secret-remove {SECRET}"], 0),
    ],
)
def test_run_says_how_an_action_ended(what: str, commands: list[str], code: int):
    recording = load("juju")["run"]
    expected = recording[what]
    app = Application(2)
    app.settle()
    app.unit(1).alive = True  # And busy, so that no time passes.
    agent = threading.Thread(target=finish, args=(app, commands, code))
    agent.start()

    status, stdout, stderr = ask(app, "run", "--format=json", "app/1", "act")

    agent.join()
    task = json.loads(stdout)["app/1"]
    assert status == expected["exit"]
    assert stderr == recording["progress"] + expected.get("stderr", "")
    assert task["results"] == {
        key: value.replace("updating", "removing") if isinstance(value, str) else value
        for key, value in expected["results"].items()
    }
    assert (task["status"], task.get("message")) == (expected["status"], expected.get("message"))
    keys = [*recording["keys"], *(["message"] if "message" in expected else [])]
    assert sorted(task) == sorted(keys)
    assert sorted(task["timing"]) == recording["timing"]


@pytest.mark.parametrize(
    "what,args",
    [("unknown action", ("app/1", "nope")), ("unknown unit", ("app/9", "act"))],
)
def test_run_refuses(what: str, args: tuple[str, str]):
    expected = load("juju")["run"][what]

    found = ask(Application(2), "run", *args)

    assert found == (expected["exit"], expected["stdout"], expected["stderr"])


def test_an_action_that_timed_out_runs_later():
    """The clock passes over the minute that the command waits for an agent that is gone."""
    recording = load("juju")["run"]
    app = Application(2)
    app.settle()
    app.juju.agent_lost(app.unit(1))

    status, _, stderr = ask(app, "run", "app/1", "act")
    app.unit(1).agent = "idle"

    assert (status, stderr) == (
        recording["agent gone"]["exit"],
        recording["progress"] + recording["agent gone"]["stderr"],
    )
    assert app.juju.clock.now == app.juju.timing.action
    app.unit(1).ran.add("start")
    assert app.settle()[1] == ["act"]


@pytest.mark.parametrize("substrate", SUBSTRATES)
def test_a_unit_is_removed_by_name_on_machines_alone(substrate: str):
    expected = load("juju")["remove-unit"][substrate]

    status, stdout, stderr = ask(Application(2, substrate), "remove-unit", "app/1")

    assert (status, stdout, stderr) == (
        expected["exit"],
        expected.get("stdout", ""),
        expected.get("stderr", ""),
    )


@pytest.mark.parametrize("what", ["both streams", "failed"])
def test_exec_keeps_streams_apart(what: str):
    recording = load("juju")["exec"]
    expected = recording[what]
    app = Application(1)
    app.unit(0).alive = True

    status, stdout, stderr = ask(
        app, "exec", "--format=json", "--unit", "app/0", "--", expected["command"]
    )

    task = json.loads(stdout)["app/0"]
    assert (status, stderr) == (expected["exit"], expected.get("stderr", ""))
    assert sorted(task) == recording["keys"]
    assert (task["status"], task["results"]) == ("completed", expected["results"])


@pytest.mark.parametrize("what", ["both streams", "failed"])
def test_juju_ssh_keeps_streams_apart_and_the_exit_status_to_itself(what: str):
    expected = load("juju")["ssh"][what]
    app = Application(1, "kubernetes")
    app.unit(0).alive = True

    found = ask(app, "ssh", "--container", "workload", "app/0", expected["command"])

    assert found == (expected["exit"], expected["stdout"], expected["stderr"])


def test_juju_ssh_knows_the_containers_of_a_pod():
    app = Application(1, "kubernetes")

    status, _, stderr = ask(app, "ssh", "--container", "nosuch", "app/0", "true")

    assert (status, stderr) == (1, load("juju")["ssh"]["unknown container"])
