"""Does the generated integration test that should fail do so if Juju or the charm errs?"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.simulation import controller, hosts, model, suite
from tests.support import baking, packing
from tools import matrix

UNITS = 3
FOLLOWS = "test_every_unit_follows_the_leader"
ROTATES = "test_rotation_reaches_every_unit"
REFUSES = "test_rotation_is_refused_on_a_follower"
REFRESHES = "test_refresh_keeps_the_secret"
FAILS_OVER = "test_failover"
REMOVES = "test_failover_by_removal"
# In seconds of the model's clock: enough for a lease, and for a hook that is tried again.
TIMING = model.Timing(lease=20.0, kubelet_period=0.3)
CONSTANTS = {"TIMEOUT": 30.0, "DEPLOY_TIMEOUT": 60.0, "ERROR_TIMEOUT": 20.0}
KEEP = {
    "jubilant": ("--juju-model=shared", "--no-juju-teardown"),
    "pytest-operator": ("--model=shared", "--keep-models"),
}
MakeSuite = Callable[[str, str], suite.Suite]
Edit = tuple[str, str, str]  # A file of the charm, and what is replaced in it by what.


class Faulty(model.Model):
    """A Juju that errs from now on, by what a subclass does.

    Attributes:
        first: The unit that led when it began to.
        moved: Whether another unit leads, or has led since.
        running: The controller, whose deployment it is.
    """

    first: str | None = None
    moved = False
    running: controller.Controller

    def claim(self, unit: model.Unit) -> None:
        """Give or renew the lease, and notice a failover."""
        super().claim(unit)
        if not self.moved and self.leader not in (None, self.first):
            self.moved = True
            self.on_failover()

    def on_failover(self) -> None:
        """Err once, when another unit has just come to lead."""


@dataclasses.dataclass
class Shared:
    """A deployment on which one sabotage after another is tried, each of which is mended."""

    tests: suite.Suite
    running: controller.Controller
    harness: str = "jubilant"

    def fail(
        self,
        test: str,
        fault: type[Faulty] = Faulty,
        *edits: Edit,
        constants: Mapping[str, float] = CONSTANTS,
    ) -> str:
        """Run one test under a fault, and return its failure.

        Args:
            test: The test that fails.
            fault: How Juju errs.
            edits: How every unit's charm is changed.
            constants: Of tests/integration/helpers.py.
        """
        with self._edited(edits), self._sabotaged(fault):
            result = self.tests.run(
                self.running,
                *KEEP[self.harness],
                *(["--no-juju-setup"] if self.harness == "jubilant" else []),
                only=f"{test} and not {test}_",
                constants=constants,
                by_tox=self.harness != "jubilant",  # For which no deployment has made it.
            )
        self._mend()
        assert set(result.failed) == set(result.tests) == {test}, result.output
        return result.failed[test]

    @contextlib.contextmanager
    def _sabotaged(self, fault: type[Faulty]) -> Iterator[None]:
        juju = self.running.juju
        right, before = type(juju), set(vars(juju))
        with juju.changed:
            juju.__class__ = fault
            vars(juju).update(first=juju.leader, running=self.running)
        try:
            yield
        finally:
            with juju.changed:
                juju.__class__ = right
                for name in set(vars(juju)) - before:
                    delattr(juju, name)

    @contextlib.contextmanager
    def _edited(self, edits: tuple[Edit, ...]) -> Iterator[None]:
        original = {}
        for host in self.running.hosts.values():
            for file, old, new in edits:
                path = host.charm / "src" / file
                text = original.setdefault(path, path.read_text())
                assert text.count(old) == 1, (file, old)
                path.write_text(text.replace(old, new))
        try:
            yield
        finally:
            for path, text in original.items():
                path.write_text(text)

    def _mend(self) -> None:
        """Have as many units as at first, all of them active with nothing left to run."""
        juju = self.running.juju
        with juju.changed:
            missing = UNITS - len(juju.units)
            for unit in list(juju.units.values())[UNITS:]:
                juju.remove(unit)
            for id_ in [id_ for id_, s in juju.secrets.items() if s.label != "credentials"]:
                del juju.secrets[id_]
            for unit in juju.units.values():
                unit.failed = None
        for unit in [unit for unit in juju.units.values() if not (unit.alive or unit.starting)]:
            unit.starting = True
            self.running.hosts[unit.name].start_agent()
        for _ in range(missing):
            self.running.start(self.running.add_unit())
        self._wait_until_quiet()
        with juju.changed:
            for unit in juju.units.values():
                # Due at once, as if it had failed; it makes good what a fault let the unit miss.
                unit.failed, unit.retry_at = model.Hook("update-status"), 0
            juju.clock.notify()
        self._wait_until_quiet()
        states = [(unit.alive, unit.failed, *unit.status) for unit in juju.units.values()]
        assert states == UNITS * [(True, None, "active", "")], juju.log

    def _wait_until_quiet(self) -> None:
        juju = self.running.juju
        with juju.changed:
            juju.configure({"log-level": "info"})
            assert juju.clock.wait(600, juju.is_quiet)


def shared_by_one_process(substrate: str) -> object:
    """Return the parameter for a fixture that one process makes for all tests that use it."""
    return pytest.param(substrate, marks=pytest.mark.xdist_group(f"sabotages of {substrate}"))


@pytest.fixture(scope="module", params=[shared_by_one_process("machine")])
def machines(request: pytest.FixtureRequest, make_suite: MakeSuite) -> Iterator[Shared]:
    """Return a deployment of a machine charm."""
    yield from deploy(make_suite(request.param, "jubilant"))


@pytest.fixture(scope="module")
def operated(machines: Shared, make_suite: MakeSuite) -> Shared:
    """Return the same deployment, which the tests with pytest-operator are run on."""
    return Shared(make_suite("machine", "pytest-operator"), machines.running, "pytest-operator")


@pytest.fixture(params=matrix.CHOICES["integration_tests"])
def by_each_harness(request: pytest.FixtureRequest, machines: Shared, operated: Shared) -> Shared:
    """Return the deployment for the tests with each harness in turn."""
    return {shared.harness: shared for shared in (machines, operated)}[request.param]


@pytest.fixture(scope="module", params=[shared_by_one_process("kubernetes")])
def pods(request: pytest.FixtureRequest, make_suite: MakeSuite) -> Iterator[Shared]:
    """Return a deployment of a Kubernetes charm."""
    yield from deploy(make_suite(request.param, "jubilant"))


def deploy(tests: suite.Suite) -> Iterator[Shared]:
    """Deploy a charm by its own test."""
    with tests.controller(model.Model(baking.CHARM_NAME, TIMING), forks=True) as running:
        result = tests.run(running, *KEEP["jubilant"], only="test_deploy")
        assert result.tests == {"test_deploy": "passed"}, result.output
        yield Shared(tests, running)


@pytest.fixture(scope="module")
def make_suite(
    packer: packing.Packer, tmp_path_factory: pytest.TempPathFactory, tox_folder: pathlib.Path
) -> MakeSuite:
    """Return what makes the integration tests of a substrate and a harness."""

    def make_suite(substrate: str, harness: str) -> suite.Suite:
        base = matrix.CHOICES["base"][0]
        variant = {"substrate": substrate, "base": base, "integration_tests": harness}
        return suite.Suite(variant, packer, tmp_path_factory.mktemp(substrate), tox_folder)

    return make_suite


# The deployment


class OneUnitFailsForever(Faulty):
    """Every hook of one unit fails."""

    def next_hook(self, unit: model.Unit) -> model.Hook | None:
        return broken(super().next_hook(unit)) if unit.number == 1 else super().next_hook(unit)


class OneUnitRecovers(OneUnitFailsForever):
    """One unit is in error for a while."""

    def next_hook(self, unit: model.Unit) -> model.Hook | None:
        if self.clock.now < 15:
            return super().next_hook(unit)
        unit.failed = unit.failed and whole(unit.failed)
        return model.Model.next_hook(self, unit)


class OneUnitNeverComes(Faulty):
    """One unit less than asked for is there."""

    def add_unit(self) -> model.Unit:
        unit = super().add_unit()
        if unit.number == UNITS - 1:
            self.clock.at(self.clock.now, lambda: self.remove_unit(unit))
        return unit


class StatusHangs(Faulty):
    """The first status takes much longer than a busy machine takes to deploy, in real time."""

    def is_shown_as_leader(self, unit: model.Unit) -> bool:
        if "hung" not in vars(self):
            vars(self)["hung"] = threading.Event().wait(30)
        return super().is_shown_as_leader(unit)


def broken(hook: model.Hook | None) -> model.Hook | None:
    """Let a hook fail, as it finds no Python."""
    return hook and dataclasses.replace(hook, environment={**hook.environment, "PATH": "/none"})


def whole(hook: model.Hook) -> model.Hook:
    """Let a hook that was broken work again."""
    environment = {key: value for key, value in hook.environment.items() if key != "PATH"}
    return dataclasses.replace(hook, environment=environment)


@pytest.mark.parametrize("harness", matrix.CHOICES["integration_tests"])
@pytest.mark.parametrize(
    ("fault", "constants", "message"),
    [
        (OneUnitFailsForever, {}, "fixture-charm/1 has been in error for"),
        (OneUnitNeverComes, {}, "a unit is missing"),
        (StatusHangs, {"COMMAND_TIMEOUT": 15}, "TimeoutError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_deployment_fails_and_no_other_test_is_run(
    make_suite: MakeSuite,
    harness: str,
    fault: type[Faulty],
    constants: dict[str, float],
    message: str,
):
    tests = make_suite("machine", harness)

    with tests.controller(fault(baking.CHARM_NAME), forks=True) as running:
        result = tests.run(running, constants={**CONSTANTS, **constants})

    assert set(result.tests) == {"test_deploy"}
    assert message in result.tests["test_deploy"]


@pytest.mark.parametrize("harness", matrix.CHOICES["integration_tests"])
def test_an_error_that_passes_is_none(make_suite: MakeSuite, harness: str):
    tests = make_suite("machine", harness)
    juju = OneUnitRecovers(baking.CHARM_NAME)

    with tests.controller(juju, forks=True) as running:
        result = tests.run(running, only="test_deploy", constants=CONSTANTS)

    assert result.tests == {"test_deploy": "passed"}
    assert "fixture-charm/1 install: ERROR exit status" in "\n".join(juju.log)


# Who leads


class TwoLeaders(Faulty):
    """The status shows two units as the leader."""

    def is_shown_as_leader(self, unit: model.Unit) -> bool:
        return unit.name in list(self.units)[:2] or super().is_shown_as_leader(unit)


def test_two_units_lead(machines: Shared):
    assert "None leads" in machines.fail(FOLLOWS, TwoLeaders)


class AddressesDiffer(Faulty):
    """Each unit sees another address of the leader."""

    def find_databag(self, unit: model.Unit, peer: str) -> dict[str, str] | None:
        databag = super().find_databag(unit, peer)
        return databag and {**databag, "ingress-address": f"192.0.2.{unit.number}"}


class UnitsTakeAddressesThatDiffer(AddressesDiffer):
    """Each of them has an event in which it takes the address that it sees."""

    def _charm_hook(self, unit: model.Unit) -> model.Hook | None:
        updated = vars(self).setdefault("updated", set())
        if unit.name not in updated:
            return model.Hook("update-status", done=lambda: updated.add(unit.name))
        return super()._charm_hook(unit)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (AddressesDiffer, "has not configured its workload"),
        (UnitsTakeAddressesThatDiffer, "the units differ in address"),
    ],
)
def test_the_units_have_different_addresses_of_the_leader(
    machines: Shared, fault: type[Faulty], message: str
):
    assert message in machines.fail(FOLLOWS, fault)


def test_a_unit_more_than_was_deployed(machines: Shared):
    machines.running.start(machines.running.add_unit())

    assert "assert len(views) == UNITS" in machines.fail(FOLLOWS)


class AnotherUnitIsShownAsLeader(Faulty):
    """Once each unit has said what it knows, the status shows another unit as the leader."""

    def enqueue(self, unit: model.Unit, name: str) -> tuple[str, model.Action]:
        vars(self).setdefault("asked", set()).add(unit.name)
        return super().enqueue(unit, name)

    def is_shown_as_leader(self, unit: model.Unit) -> bool:
        if len(vars(self).get("asked", ())) < UNITS:
            return super().is_shown_as_leader(unit)
        return unit.name == next(name for name in self.units if name != self.first)


def test_the_status_shows_another_leader_than_the_units_name(machines: Shared):
    failure = machines.fail(FOLLOWS, AnotherUnitIsShownAsLeader)

    assert "assert app.get_leader_unit() == leader" in failure


# Rotation


@pytest.mark.parametrize(
    ("test", "new", "old"), [(ROTATES, "after", "before"), (FAILS_OVER, "rotated", "after")]
)
def test_the_password_stays(machines: Shared, test: str, new: str, old: str):
    edit = ("leadership.py", "for key in ROTATED}", "for key in ()}")

    failure = machines.fail(test, Faulty, edit)

    assert f"assert {new}[0].fingerprint != {old}[0].fingerprint" in failure


class SecretIsSetTwice(Faulty):
    """Each change of a secret makes two revisions."""

    def set_secret(self, id_: str, content: dict[str, str]) -> None:
        super().set_secret(id_, {})
        super().set_secret(id_, content)


@pytest.mark.parametrize("test", [ROTATES, FAILS_OVER])
def test_a_rotation_makes_two_revisions(by_each_harness: Shared, test: str):
    failure = by_each_harness.fail(test, SecretIsSetTwice)

    assert "app.get_secret() == (secret, revision + 1)" in failure


class FollowersKeepTheirRevision(Faulty):
    """Nobody gets secret-changed."""

    def _secrets_hook(self, unit: model.Unit) -> model.Hook | None:
        hook = super()._secrets_hook(unit)
        return None if hook and hook.name == "secret-changed" else hook


def test_a_rotation_does_not_reach_the_followers(machines: Shared):
    assert "the units differ in fingerprint" in machines.fail(ROTATES, FollowersKeepTheirRevision)


class RotationsWait(Faulty):
    """An action that rotates waits for better times, and runs then."""

    def _action_hook(self, unit: model.Unit) -> model.Hook | None:
        hook = super()._action_hook(unit)
        return None if hook and hook.name == "rotate-credentials" else hook


def test_an_action_takes_too_long(machines: Shared):
    assert "TimeoutError: timed out waiting for action" in machines.fail(ROTATES, RotationsWait)


RESTART = "            systemd.service_restart(self._service)\n"


def test_the_service_is_not_started_again(machines: Shared):
    edit = ("workload.py", RESTART, RESTART.replace("_restart(", "_stop("))

    failure = machines.fail(ROTATES, Faulty, edit)

    assert "waiting for the workload to apply its settings" in failure


def test_the_file_changes_under_a_service_that_goes_on(by_each_harness: Shared):
    failure = by_each_harness.fail(ROTATES, Faulty, ("workload.py", RESTART, ""))

    assert "(set(started) if ROTATION_RESTARTS else set())" in failure


class FollowersMayRotate(Faulty):
    """Any unit is told that it leads while it runs an action that rotates."""

    def is_leader(self, unit: model.Unit) -> bool:
        rotates = any(action.name == "rotate-credentials" for action in unit.actions)
        return rotates or super().is_leader(unit)


def test_a_follower_rotates(machines: Shared):
    assert "DID NOT RAISE" in machines.fail(REFUSES, FollowersMayRotate)


class RefusalMakesARevision(Faulty):
    """A rotation that a follower refuses makes a revision, of the same content."""

    password: str | None = None

    def _action_hook(self, unit: model.Unit) -> model.Hook | None:
        hook = super()._action_hook(unit)
        if hook and hook.name == "rotate-credentials" and "refused" not in vars(self):
            vars(self)["refused"] = True
            change_secrets(self, self.password)
        return hook


class RefusalChangesThePassword(RefusalMakesARevision):
    """A rotation that a follower refuses happens."""

    password = "changed"


@pytest.mark.parametrize(
    ("fault", "assertion"),
    [
        (RefusalMakesARevision, "assert app.get_secret() == secret"),
        (RefusalChangesThePassword, "assert app.wait_until_converged(leader) == before"),
    ],
)
def test_a_rotation_that_is_refused_changes_the_secret(
    machines: Shared, fault: type[Faulty], assertion: str
):
    assert assertion in machines.fail(REFUSES, fault)


def test_a_rotation_that_is_refused_restarts_the_workload(machines: Shared):
    refuse = "event.fail(str(e))"
    edit = ("charm.py", refuse, f"self.workload.stop(); self._reconcile(event); {refuse}")

    failure = machines.fail(REFUSES, Faulty, edit)

    assert "assert app.get_start_times() == started" in failure


# Refresh


class RefreshDoesNothing(Faulty):
    """The command says yes, and all stays as it is."""

    def refresh(self) -> None:
        pass


class FirstAnswersAreLost(RefreshDoesNothing):
    """What is more, no unit says at first which charm it runs."""

    def loses(self, command: str) -> bool:
        if ".juju-charm" not in command:
            return False
        asked = vars(self)["asked"] = vars(self).get("asked", 0) + 1
        return asked <= UNITS


@pytest.mark.parametrize("fault", [RefreshDoesNothing, FirstAnswersAreLost])
def test_a_refresh_does_nothing(by_each_harness: Shared, fault: type[Faulty]):
    constants = {**CONSTANTS, "TASK_TIMEOUT": 5.0}

    failure = by_each_harness.fail(REFRESHES, fault, constants=constants)

    assert "runs local:fixture-charm-" in failure


class RefreshMissesAUnit(Faulty):
    """One unit isn't refreshed, though status says so."""

    def refresh(self) -> None:
        super().refresh()
        list(self.units.values())[-1].upgrades = False


def test_a_refresh_misses_a_unit(machines: Shared):
    failure = machines.fail(REFRESHES, RefreshMissesAUnit)

    message, _, _ = failure.partition("\napp = ")
    assert message.count("runs local:") == 1


class RefreshChangesTheSecret(Faulty):
    """A new revision of the charm comes with a new secret."""

    def refresh(self) -> None:
        super().refresh()
        change_secrets(self, "changed")


class RefreshMakesARevision(Faulty):
    """A new revision of the charm sets the secret to what it was."""

    def refresh(self) -> None:
        super().refresh()
        change_secrets(self)


class RefreshAddsAUnit(Faulty):
    """There is one unit more than before."""

    def refresh(self) -> None:
        super().refresh()
        self.running.start(self.running.add_unit())


class RefreshRestartsAWorkload(Faulty):
    """Every service is started anew, as a package may do that the charm upgrades."""

    def refresh(self) -> None:
        super().refresh()
        for name in self.units:
            service = f"{baking.CHARM_NAME}-workload"
            self.running.hosts[name].run("systemctl", "restart", service)


@pytest.mark.parametrize(
    ("fault", "assertion"),
    [
        (RefreshChangesTheSecret, "assert after[0].fingerprint == before[0].fingerprint"),
        (RefreshMakesARevision, "assert app.get_secret() == secret"),
        (RefreshAddsAUnit, "for view in after} == {"),
        (RefreshRestartsAWorkload, "assert app.get_start_times() == started"),
    ],
)
def test_a_refresh_changes_something(machines: Shared, fault: type[Faulty], assertion: str):
    assert assertion in machines.fail(REFRESHES, fault)


def change_secrets(juju: model.Model, password: str | None = None) -> None:
    """Make a revision of each secret, with another password if there is one."""
    for secret in juju.secrets.values():
        content = secret.revisions[secret.latest]
        juju.set_secret(secret.id, {**content, "password": password or content["password"]})


# Failover


class LeadershipNeverMoves(Faulty):
    """The first leader alone is ever given the lease."""

    def claim(self, unit: model.Unit) -> None:
        if unit.name == self.first:
            super().claim(unit)


@pytest.mark.parametrize("test", [FAILS_OVER, REMOVES])
def test_leadership_never_moves(machines: Shared, test: str):
    failure = machines.fail(test, LeadershipNeverMoves)

    assert "None leads" in failure and "other_than=old" in failure


class OldLeaderIsElectedAgain(LeadershipNeverMoves):
    """When the lease has run out, the unit that had it is said to lead again."""

    def is_shown_as_leader(self, unit: model.Unit) -> bool:
        return unit.name == self.first


def test_the_old_leader_is_elected_again(pods: Shared):
    failure = pods.fail(FAILS_OVER, OldLeaderIsElectedAgain)

    assert "other_than=old" in failure
    assert f"{baking.CHARM_NAME}/0 leads" in failure


class FailoverChangesTheSecret(Faulty):
    """Each change of leader comes with a new password."""

    def on_failover(self) -> None:
        change_secrets(self, "changed")


@pytest.mark.parametrize("test", [FAILS_OVER, REMOVES])
def test_a_failover_changes_the_secret(machines: Shared, test: str):
    failure = machines.fail(test, FailoverChangesTheSecret)

    assert "assert after[0].fingerprint == before[0].fingerprint" in failure


class FailoverAddsASecret(Faulty):
    """Each leader adds a secret with a label of its own."""

    def on_failover(self) -> None:
        self.secrets["other"] = model.Secret("other", f"of {self.leader}", {1: {}})


class FailoverAddsASecretOfAUnit(Faulty):
    """Each leader adds a secret that it owns itself."""

    def on_failover(self) -> None:
        self.secrets["other"] = model.Secret("other", "own", {1: {}}, owner=str(self.leader))


@pytest.mark.parametrize(
    ("test", "fault"), [(FAILS_OVER, FailoverAddsASecretOfAUnit), (REMOVES, FailoverAddsASecret)]
)
def test_a_failover_adds_a_secret(by_each_harness: Shared, test: str, fault: type[Faulty]):
    failure = by_each_harness.fail(test, fault)

    assert "fixture-charm has 2 secrets" in failure


class FailoverAddsAUnit(Faulty):
    """A unit comes in place of the old leader's, which is still there."""

    def on_failover(self) -> None:
        # Not within the election, which goes through the units.
        self.clock.at(self.clock.now, lambda: self.running.start(self.running.add_unit()))


def test_a_failover_adds_a_unit(machines: Shared):
    assert "for view in after} == {" in machines.fail(FAILS_OVER, FailoverAddsAUnit)


class OldLeaderWrites(Faulty):
    """The old leader makes a revision when it is back."""

    def agent_found(self, unit: model.Unit, *, is_new_pod: bool = False) -> None:
        super().agent_found(unit, is_new_pod=is_new_pod)
        change_secrets(self)


def test_the_old_leader_writes(machines: Shared):
    failure = machines.fail(FAILS_OVER, OldLeaderWrites)

    assert "assert app.get_secret() == (secret, revision)" in failure


class FollowersNameTheOldLeader(Faulty):
    """Units go on reading what was published first, but for the one that leads."""

    def read_databag(self, unit: model.Unit) -> dict[str, str]:
        databag = super().read_databag(unit)
        is_stale = self.moved and not self.is_leader(unit)
        return databag | ({"leader": str(self.first)} if is_stale else {})


def test_a_follower_names_the_old_leader(machines: Shared):
    failure = machines.fail(FAILS_OVER, FollowersNameTheOldLeader)

    assert f"names {baking.CHARM_NAME}/" in failure


class FollowersAreNotTold(Faulty):
    """No follower gets peers-relation-changed for the new leader."""

    def _peers_hook(self, unit: model.Unit) -> model.Hook | None:
        hook = super()._peers_hook(unit)
        withheld = self.moved and not self.is_leader(unit) and self.withholds()
        return None if withheld and hook and hook.name == "peers-relation-changed" else hook

    def withholds(self) -> bool:
        """Whether followers wait."""
        return True


class FollowersWaitForTheOldLeader(FollowersAreNotTold):
    """A follower gets peers-relation-changed only when the old leader is back."""

    def withholds(self) -> bool:
        return not all(unit.alive for unit in self.units.values())


@pytest.mark.parametrize("fault", [FollowersAreNotTold, FollowersWaitForTheOldLeader])
def test_a_follower_does_not_follow(machines: Shared, fault: type[Faulty]):
    failure = machines.fail(FAILS_OVER, fault)

    assert "has not configured its workload" in failure
    assert "without=old" in failure


class FollowerFailsForever(Faulty):
    """After the failover, every hook of a follower fails."""

    def next_hook(self, unit: model.Unit) -> model.Hook | None:
        hook = super().next_hook(unit)
        followers = [name for name in self.units if name not in (self.first, self.leader)]
        return broken(hook) if self.moved and unit.name == followers[0] else hook


@pytest.mark.parametrize("test", [FAILS_OVER, REMOVES])
def test_a_followers_hook_fails_forever(machines: Shared, test: str):
    assert "has been in error for" in machines.fail(test, FollowerFailsForever)


class EveryUnitIsBlocked(Faulty):
    """After the failover, an option has a value that blocks every unit."""

    def on_failover(self) -> None:
        self.configure({"log-level": "loud"})


@pytest.mark.parametrize("test", [FAILS_OVER, REMOVES])
def test_every_unit_is_blocked(machines: Shared, test: str):
    assert "is blocked, idle: log-level must be" in machines.fail(test, EveryUnitIsBlocked)


LIVE = "    {}: {} = dataclasses.field(metadata=LIVE)"


@pytest.mark.parametrize(
    ("test", "field"), [(FAILS_OVER, ("leader", "str")), (REMOVES, ("planned_units", "int"))]
)
def test_a_failover_restarts_the_workloads(machines: Shared, test: str, field: tuple[str, str]):
    live = LIVE.format(*field)
    edit = ("workload.py", live, live.replace("LIVE", "RESTART"))

    failure = machines.fail(test, Faulty, edit)

    assert "assert app.get_start_times() == started" in failure


def test_a_failover_restarts_the_workloads_in_pods(pods: Shared):
    live = LIVE.format("leader", "str")
    edit = ("workload.py", live, live.replace("LIVE", "RESTART"))

    failure = pods.fail(FAILS_OVER, Faulty, edit)

    assert "assert app.get_start_times() == started" in failure


class NewLeaderMayNotRotate(Faulty):
    """The new leader is told that it doesn't lead while it runs an action that rotates."""

    def is_leader(self, unit: model.Unit) -> bool:
        rotates = any(action.name == "rotate-credentials" for action in unit.actions)
        return not (self.moved and rotates) and super().is_leader(unit)


def test_the_new_leader_cannot_rotate(machines: Shared):
    failure = machines.fail(FAILS_OVER, NewLeaderMayNotRotate)

    assert "is not the leader; run: juju run" in failure


class AgentIsNotStopped(Faulty):
    """What should stop the agent has no effect; on Kubernetes its check goes on."""

    def loses(self, command: str) -> bool:
        return "systemctl stop" in command or "stop-checks" in command


class AgentIsNotStarted(Faulty):
    """What should start the agent has no effect."""

    def loses(self, command: str) -> bool:
        return " start" in command


def test_the_agent_is_not_stopped(machines: Shared):
    failure = machines.fail(FAILS_OVER, AgentIsNotStopped)

    assert "other_than=old" in failure


def test_the_liveness_check_goes_on(pods: Shared):
    """Kubernetes restarts the agent before the lease has run out, so nothing moves."""
    failure = pods.fail(FAILS_OVER, AgentIsNotStopped)

    assert "other_than=old" in failure


def test_the_agent_is_not_started(machines: Shared):
    assert "is unknown, lost: agent lost" in machines.fail(FAILS_OVER, AgentIsNotStarted)


def test_the_agent_is_not_started_in_a_pod(pods: Shared):
    assert "is unknown, lost: agent lost" in pods.fail(FAILS_OVER, AgentIsNotStarted)


class FailoverLosesNames(Faulty):
    """The names of the pods don't resolve once leadership has moved."""

    def on_failover(self) -> None:
        lose_names(self.running.hosts)


def lose_names(units: dict[str, hosts.Host]) -> dict[hosts.Pod, str]:
    """Let no pod find another by its name, and return what their /etc/hosts said."""
    names = {}
    for pod in units.values():
        assert isinstance(pod, hosts.Pod)
        names[pod] = pod.read("/etc/hosts") or ""
        pod.write_hosts("127.0.0.1 localhost\n")
    return names


@pytest.mark.parametrize("fault", [Faulty, FailoverLosesNames])
def test_a_name_does_not_resolve(pods: Shared, fault: type[Faulty]):
    """Neither before the failover nor after it."""
    units = pods.running.hosts
    names = lose_names(units)
    if fault is not Faulty:
        for pod, text in names.items():
            pod.write_hosts(text)

    failure = pods.fail(FAILS_OVER, fault)

    for pod, text in names.items():
        pod.write_hosts(text)
    address = "before[0].address" if fault is Faulty else "after[0].address"
    assert f"assert app.find_unresolved({address}, *names) == []" in failure


# Removal


class RemovalDoesNothing(Faulty):
    """The command says yes, and the unit stays."""

    def remove(self, unit: model.Unit) -> None:
        pass


def test_a_removed_unit_stays(machines: Shared):
    failure = machines.fail(REMOVES, RemovalDoesNothing)

    assert "is still there" in failure


class RemovalTakesAnotherUnit(Faulty):
    """A follower goes with the unit that is removed."""

    def remove(self, unit: model.Unit) -> None:
        for going in (unit, next(other for other in self.units.values() if other is not unit)):
            super().remove(going)


def test_a_removal_takes_another_unit(machines: Shared):
    failure = machines.fail(REMOVES, RemovalTakesAnotherUnit)

    assert "for view in before} - {old}" in failure
