"""Does a charm stay right as it grows? Its own unit tests and linters say so of each edit.

What most charms get in their first month is edited into a bake: in its right form, as the charm's
CONTRIBUTING.md shows it, and in forms that go wrong on a controller.
"""

from __future__ import annotations

import difflib
import pathlib
import re
import sys
from typing import NamedTuple

import pytest

from tests.redis import example
from tests.support import baking, command, edits, parameters, unit_tests
from tools import matrix

BOTH = tuple(matrix.CHOICES["substrate"])
OPTION, KEY, VALUE = (
    "An option",
    "Another key of the secret",
    "Another value that the leader publishes",
)
RELATION, ACTION = (
    "A relation to which the leader alone writes",
    "An action that the leader alone runs",
)
# How many lines a person types or deletes (a block counts as one), in the tests and elsewhere.
EDITED_LINES = {
    OPTION: (9, 0),
    KEY: (3, 0),
    VALUE: (13, 0),
    RELATION: (13, 0),
    ACTION: (14, 0),
    "redis": (82, 14),
    "nginx": (35, 3),
    "no-secret": (20, 11),
    "more": (43, 2),
    "sidecar": (22, 1),
}
RECIPES = (OPTION, KEY, VALUE, RELATION, ACTION)
SUBSTRATES = {"nginx": ("kubernetes",), "sidecar": ("kubernetes",)}
# Edits alone on machines, and several in one charm on Kubernetes, where they have to get along.
ALONE = ("redis", "nginx", "no-secret")
RIGHT = [
    *(("machine", [growth]) for growth in (*RECIPES, "more")),
    ("kubernetes", [*RECIPES]),
    ("kubernetes", ["more", "sidecar"]),
    *((substrate, [growth]) for growth in ALONE for substrate in SUBSTRATES.get(growth, BOTH)),
]


def diff(charm: pathlib.Path, growth: str) -> str:
    """Return a growth as a diff: a recipe of CONTRIBUTING.md, or a file of this folder."""
    if growth in RECIPES:
        return edits.in_document((charm / "CONTRIBUTING.md").read_text())[growth]
    return pathlib.Path(__file__).parent.joinpath("growth", f"{growth}.diff").read_text()


def grow(charm: pathlib.Path, growth: str, substrate: str) -> None:
    """Edit a charm as its owner would."""
    if growth == "redis":
        example.put_redis_in(charm, {"substrate": substrate})
    else:
        edits.apply(diff(charm, growth), charm)


def edited_lines(before: dict[str, bytes | None], after: dict[str, bytes | None]) -> int:
    """Count the lines that a person types, and the blocks that a person deletes."""
    count = 0
    for name in before.keys() | after.keys():
        texts = [(each.get(name) or b"").splitlines() for each in (before, after)]
        matcher = difflib.SequenceMatcher(None, *texts, autojunk=False)
        for what, _, _, start, end in matcher.get_opcodes():
            count += max(end - start, 1) if what != "equal" else 0
    return count


@pytest.fixture
def bake(baker: baking.Baker, tmp_path: pathlib.Path):
    """Return a function that bakes a charm which may be edited."""

    def bake(substrate: str) -> pathlib.Path:
        return baker.copy({"substrate": substrate}, tmp_path / "charm")

    return bake


@pytest.mark.parametrize(("substrate", "growths"), RIGHT, ids=parameters.join)
def test_a_charm_that_grows_right_passes_its_own_tests(bake, substrate: str, growths: list[str]):
    charm = bake(substrate)

    for growth in growths:
        grow(charm, growth, substrate)

    if growths != ["no-secret"]:  # Which leaves an import on Kubernetes that machines need.
        command.output(sys.executable, "-m", "ruff", "check", cwd=charm)
    code, output = unit_tests.run(charm, covered=True)
    assert code == 0, output


@pytest.mark.parametrize("growths", [RECIPES, ("redis",), ("nginx",), ("no-secret",), ("more",)])
def test_a_charm_that_grows_right_passes_its_linters(
    bake, tox_folder: pathlib.Path, growths: tuple[str, ...]
):
    substrate = SUBSTRATES.get(growths[0], BOTH)[0]
    charm = bake(substrate)

    for growth in growths:
        grow(charm, growth, substrate)

    command.output(
        *(sys.executable, "-m", "tox", "--workdir", tox_folder, "-e", "lint"), cwd=charm
    )


@pytest.mark.parametrize("growth", EDITED_LINES)
def test_a_growth_takes_as_many_lines_as_the_table_says(bake, growth: str):
    """Of the tests, only the fakes, and constants of the others, follow what the charm gets."""
    substrate = SUBSTRATES.get(growth, BOTH)[0]
    charm = bake(substrate)
    before = command.tree(charm)

    grow(charm, growth, substrate)

    after = command.tree(charm)
    changed = {
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    }
    tests = {name for name in changed if name.startswith("tests/")}
    followed = tests & before.keys()  # Not tests of its own.
    count = tuple(
        edited_lines(
            *({name: tree[name] for name in names if name in tree} for tree in (before, after))
        )
        for names in (changed - tests, followed)
    )
    assert count == EDITED_LINES[growth]
    followers = {"tests/unit/fakes.py", "tests/unit/states.py", "tests/integration/test_charm.py"}
    assert growth == "no-secret" or followed <= followers


class Mistake(NamedTuple):
    """A growth that goes wrong: an edit of a right one's diff, or a diff of its own."""

    name: str
    caught_by: str  # A file of the charm's unit tests.
    message: str  # What the test that fails says, as a regular expression.
    growth: str = ""
    old: str = ""
    new: str = ""
    diff: str = ""
    substrates: tuple[str, ...] = BOTH


MISTAKES = [
    Mistake(
        "an unguarded write to the application databag",
        "test_events.py",
        r"on a follower: .*only the leader may do that; call .*require_leader\(\) first",
        RELATION,
        "        if self.unit.is_leader():",
        "        if True:",
    ),
    Mistake(
        "an unguarded answer to what a client asks for",
        "test_events.py",
        r"on a follower: .*only the leader may do that; call .*require_leader\(\) first",
        "more",
        """\
+        if not self.unit.is_leader():
+            return
""",
        "",
    ),
    Mistake(
        "a guard that only leader-elected has",
        "test_events.py",
        r"only the leader may do that; call .*require_leader\(\) first",
        diff="""
--- src/charm.py
@@
         framework.observe(self.on.secret_rotate, self._on_secret_rotate)
+        framework.observe(self.on.leader_elected, self._on_leader_elected)
@@
+    def _on_leader_elected(self, _: ops.LeaderElectedEvent) -> None:
+        self.app.add_secret({"token": "of-a-cluster"}, label="token")
+
     def _settings(self) -> Settings | None:
""",
    ),
    Mistake(
        "a second secret that any unit makes if there is none",
        "test_upgrade.py",
        r"only the leader may do that; call .*require_leader\(\) first",
        diff="""
--- src/leadership.py
@@
         if not leads:
+            try:
+                self._model.get_secret(label="backup")
+            except ops.SecretNotFoundError:
+                self._app.add_secret({"key": "of-a-backup"}, label="backup")
             return
""",
    ),
    Mistake(
        "a second secret whose rotation nobody does",
        "test_events.py",
        r"secret_rotate changes nothing of backup; handle the event",
        diff="""
--- src/leadership.py
@@
         if not leads:
             return
+        try:
+            self._model.get_secret(label="backup")
+        except ops.SecretNotFoundError:
+            content = {"key": "the-key-of-a-backup"}
+            self._app.add_secret(content, label="backup", rotate=ops.SecretRotate.WEEKLY)
""",
    ),
    Mistake(
        "a request that is read before it is there",
        "test_leadership.py",
        r"KeyError: 'database'",
        "more",
        'relation.data[relation.app].get("database")',
        'relation.data[relation.app]["database"]',
    ),
    Mistake(
        "a write that only one event leads to",
        "test_events.py",
        r"_relation_created writes what update_status doesn't; write it in _reconcile",
        RELATION,
        "+        self._tell_clients()",
        """\
+        if isinstance(event, ops.RelationCreatedEvent):
+            self._tell_clients()""",
    ),
    Mistake(
        "a guard that was asked when the charm was made",
        "test_events.py",
        r"in __init__: only the leader may do that",
        RELATION,
        "        if self.unit.is_leader():",
        "        if self._leads:",
        """
--- src/charm.py
@@
         self.leadership = Leadership(self)
+        self._leads = self.unit.is_leader()
""",
    ),
    Mistake(
        "a write to a relation that the unit has not entered",
        "test_leadership.py",
        r"Juju may refuse clients: look whether it has data\[self.unit\] first",
        RELATION,
        "if relation.data[self.unit]:  # Before the unit has entered it, Juju may refuse.",
        "if True:",
    ),
    Mistake(
        "an unguarded action",
        "test_events.py",
        r"backup runs on a follower: only the leader may do that; call .*require_leader\(\)",
        ACTION,
        "self.leadership.require_leader()",
        "pass",
    ),
    Mistake(
        "an unguarded action that deletes what is this unit's",
        "test_events.py",
        r"backup runs on a follower: only the leader may do that; call .*require_leader\(\)",
        ACTION,
        "self.leadership.require_leader()",
        "self.workload._config.unlink(missing_ok=True)",
    ),
    Mistake(
        "a key that is only in secrets to come",
        "test_upgrade.py",
        r"fails on what the first release wrote: KeyError\('replication-password'\).*CREDENTIALS",
        KEY,
        """     "password": lambda: secrets.token_urlsafe(32),
+    "replication-password": lambda: secrets.token_urlsafe(32),
""",
        """         made = {key: make() for key, make in CREDENTIALS.items() if key not in content}
+        if secret is None:
+            made["replication-password"] = secrets.token_urlsafe(32)
""",
    ),
    Mistake(
        "a key that is shown in a log",
        "test_events.py",
        r"shows what is secret in a log",
        KEY,
        "replication_password: str = dataclasses.field(metadata=RESTART, repr=False)",
        "replication_password: str = dataclasses.field(metadata=RESTART)",
    ),
    Mistake(
        "a password in a log line",
        "test_events.py",
        r"shows what is secret in a log",
        diff="""
--- src/charm.py
@@
         logger.debug("configure the workload with %s", settings)
+        logger.info("credentials: %s", self.leadership.credentials)
""",
    ),
    Mistake(
        "a password in Base64 in a log line",
        "test_events.py",
        r"shows what is secret in a log",
        diff="""
--- src/charm.py
@@
+import base64
 import dataclasses
@@
         logger.debug("configure the workload with %s", settings)
+        if settings:
+            authorization = f"{settings.username}:{settings.password}".encode()
+            logger.info("Authorization: Basic %s", base64.b64encode(authorization).decode())
""",
    ),
    Mistake(
        "a value that is read before it is published",
        "test_upgrade.py",
        r"fails on what the first release wrote: KeyError\('cluster'\)",
        VALUE,
        ".get(CLUSTER_KEY)",
        "[CLUSTER_KEY]",
    ),
    Mistake(
        "a value that no status waits for",
        "test_upgrade.py",
        r"let Leadership.missing say what the unit waits for",
        VALUE,
        """\
@@
             return "the leader to publish credentials"
+        if self.cluster is None:
+            return "the leader to publish the cluster's name"
""",
        "",
    ),
    Mistake(
        "an option that fails the hook",
        "test_events.py",
        r"max-clients=-1 fails the hook: RuntimeError.*; raise ValueError in charm.Config",
        OPTION,
        'raise ValueError("max-clients',
        'raise RuntimeError("max-clients',
    ),
    Mistake(
        "an apt.update() that nobody faked",
        "test_workload.py",
        r"a unit test would start \['apt-get', 'update'.*; fake it in tests/unit/fakes.py",
        diff="""
--- src/workload.py
@@
-from charmlibs import pathops, systemd
+from charmlibs import apt, pathops, systemd
@@
         unit = UNIT.format(app=self._app, user=USER, config=self._config)
+        apt.update()
""",
        substrates=("machine",),
    ),
    Mistake(
        "a command that nobody faked",
        "test_workload.py",
        r"a unit test would run \['nginx', '-t'\].*; fake it in tests/unit/fakes.py",
        diff="""
--- src/workload.py
@@
         self._write(self._config, settings.render())
+        self.run(["nginx", "-t"])
""",
        substrates=("kubernetes",),
    ),
]
WRONG = [
    pytest.param(mistake, substrate, id=f"{mistake.name}-{substrate}")
    for mistake in MISTAKES
    for substrate in mistake.substrates
]


@pytest.mark.parametrize(("mistake", "substrate"), WRONG)
def test_a_generated_test_says_what_is_wrong(bake, mistake: Mistake, substrate: str):
    charm = bake(substrate)
    if mistake.growth:
        right = diff(charm, mistake.growth)
        assert right.count(mistake.old) == 1, f"the recipe doesn't hold once: {mistake.old}"
        edits.apply(right.replace(mistake.old, mistake.new), charm)
    edits.apply(mistake.diff, charm)

    code, output = unit_tests.run(charm, mistake.caught_by)

    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert re.search(mistake.message, output), output
