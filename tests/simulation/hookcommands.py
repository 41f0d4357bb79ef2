"""What a hook may ask of Juju and write to it, as the unit agent answers.

Writes are buffered, and committed when the hook exits 0. What is refused, and when, was seen on
Juju 4 (tests/juju/recordings/hook-commands.yaml); what Juju 3.6 says instead is in releases.py:

- relation-set --app, secret-add and status-set --application by a follower fail at once;
- secret-info-get by a follower says that there is no such secret;
- secret-set and secret-remove by a follower succeed, and the commit fails;
- the commit of whatever only the leader may write fails if leadership is gone by then.

status-set, a new label, and the revision that secret-get tracks take effect at once.
network-get, unit-get, secret-ids and secret-grant are not here, as neither the charm nor what it
uses of ops asks them.
"""

from __future__ import annotations

import argparse
import json
import re

from tests.simulation import model
from tests.simulation.arguments import FLAG, arg, make_parser

NOT_LEADER = "this unit is not the leader"  # Juju's ErrIsNotLeader
KEY = re.compile("[a-z](-?[a-z0-9]){2,}")
SINCE = "2026-01-01 00:00:00Z"  # Nothing here depends on it.


class Context:
    """One dispatch of one unit."""

    def __init__(self, juju: model.Model, unit: model.Unit, hook: model.Hook):
        self.id = f"{unit.name}-{hook.name}-{model.new_id()}"
        self.unit = unit
        self.hook = hook
        self._model = juju
        self._app_settings: dict[str, str] = {}
        self._unit_settings: dict[str, str] = {}
        self._new_secrets: dict[str, model.Secret] = {}
        self._contents: dict[str, dict[str, str]] = {}
        self._rotations: dict[str, str] = {}
        self._refreshed: set[str] = set()
        self._removals: list[tuple[str, int]] = []
        self._results: dict[str, str] = {}
        self._failure: str | None = None

    def run(self, command: str, args: list[str], stdin: str) -> str:
        """Run a hook command and return what it prints.

        Raises:
            CommandError: if Juju refuses.
        """
        method = getattr(self, f"_{command.replace('-', '_')}", None)
        if method is None:
            raise model.CommandError(f"the simulated Juju has no {command}")
        with self._model.changed:
            try:
                return method(_PARSERS[command].parse_args(args), stdin) or ""
            except model.CommandError as e:
                self._model.log.append(f"{self.unit.name} {self.hook.name}: {command}: ERROR {e}")
                raise

    def finish(self, code: int) -> bool:
        """Commit what the hook wrote, if it exited 0, and return whether all went well.

        An action that fails, even at the commit, fails the action and not the unit. A hook that
        fails runs again.
        """
        with self._model.changed:
            try:
                if code:
                    raise model.CommandError(f"exit status {code}")
                self._commit()
                problem = None
            except model.CommandError as e:
                problem = str(e)
                self._model.log.append(f"{self.unit.name} {self.hook.name}: ERROR {problem}")
            if action := self.hook.action:
                self._finish_action(action, code, problem)
            elif problem is None:
                self.unit.failed = None
                self.hook.done()
            else:
                self.fail()
            if problem is None:
                self._model.history.append((self.unit.name, self.hook.name))
            self._model.clock.notify()
            return problem is None

    def fail(self) -> None:
        """Have the hook run again, as it also does if the agent died meanwhile."""
        if self.hook.action is None:
            self.unit.failed = self.hook
            self.unit.retry_at = self._model.clock.now + self._model.timing.retry
            self._model.clock.at(self.unit.retry_at)

    def _commit(self) -> None:
        # Secrets first: a refused commit names them, whatever else was to be committed.
        self._check_secrets()
        if (self._app_settings or self._new_secrets) and not self._leads():
            raise model.CommandError(self._say(self._model.release.lease_lost))
        for id_, secret in self._new_secrets.items():
            if self._find_label(secret.label) is not None:
                exists = self._model.release.label_exists
                raise model.CommandError(self._say(exists, id=id_, label=secret.label))
        self._model.secrets |= self._new_secrets
        for id_, content in self._contents.items():
            self._model.set_secret(id_, content)
            # pendingTrackLatest: a refresh after the change moves on with it.
            if id_ in self._refreshed:
                self._model.secrets[id_].tracked[self.unit.name] = self._model.secrets[id_].latest
        for id_, rotation in self._rotations.items():
            self._model.secrets[id_].rotation = rotation
        for id_, revision in self._removals:
            if id_ in self._model.secrets:
                self._model.secrets[id_].revisions.pop(revision, None)
        self.unit.databag |= self._unit_settings
        self._model.write_databag(self._app_settings)

    def _check_secrets(self) -> None:
        release, kubernetes = self._model.release, self._model.is_kubernetes
        leads = self._leads()
        if kubernetes and self._contents and not leads:
            # A content is a Kubernetes secret, which the agent may no longer write. It tries
            # again and again, and runs nothing else meanwhile.
            self.unit.blocked = True
            self._model.clock.wait(self._model.timing.late_commit)
            self.unit.blocked = False
            id_ = next(iter(self._contents))
            name = f"{id_}-{self._model.secrets[id_].latest + 1}"
            raise model.CommandError(f'secrets "{name}" is forbidden')
        for id_, revision in self._removals if kubernetes else ():
            secret = self._model.secrets.get(id_)
            if secret and revision in secret.lost and release.lost_content:
                raise model.CommandError(
                    self._say(release.lost_content, id=id_, revision=revision)
                )
        updated = self._contents | self._rotations
        for doing, secrets in (("updating", updated), ("removing", self._removals)):
            if secrets and not leads:
                raise model.CommandError(f"{doing} secrets: {self._say(release.not_leader)}")

    def _finish_action(self, action: model.Action, code: int, problem: str | None) -> None:
        self.unit.actions.remove(action)
        action.results = {**self._results, "return-code": code}
        action.status = "failed" if problem or self._failure is not None else "completed"
        action.message = self._failure or ""
        if problem and not code:
            action.message = action.message or "committing requested changes failed"
            action.results["stderr"] = problem
        elif problem:
            action.message = problem

    def _leads(self) -> bool:
        return self._model.is_leader(self.unit)

    def _say(self, text: str, **names: object) -> str:
        return text.format(app=self._model.app, **{"unit": self.unit.name, **names})

    # The commands, by name

    def _is_leader(self, options: argparse.Namespace, stdin: str) -> str:
        return json.dumps(self._leads())

    def _application_version_set(self, options: argparse.Namespace, stdin: str) -> None:
        self._model.workload_version = options.version

    def _goal_state(self, options: argparse.Namespace, stdin: str) -> str:
        units = {
            unit.name: {"status": "dying" if unit.dying else unit.status[0], "since": SINCE}
            for unit in self._model.units.values()
        }
        return json.dumps({"units": units, "relations": {}})

    def _config_get(self, options: argparse.Namespace, stdin: str) -> str:
        return json.dumps(
            self._model.config.get(options.key) if options.key else self._model.config
        )

    def _status_set(self, options: argparse.Namespace, stdin: str) -> None:
        status = (options.status, " ".join(options.message))
        if options.application.lower() == "true":
            if not self._leads():
                raise model.CommandError(NOT_LEADER)
            self._model.status = status
        else:
            self.unit.status = status

    def _status_get(self, options: argparse.Namespace, stdin: str) -> str:
        if options.application.lower() == "true":
            if not self._leads():
                raise model.CommandError(f"finding application status: {NOT_LEADER}")
            units = {unit.name: self._status(unit.status, options) for unit in self._units()}
            status = self._status(self._model.status or ("unknown", ""), options)
            return json.dumps({"application-status": {**status, "units": units}})
        return json.dumps(self._status(self.unit.status, options))

    def _units(self) -> list[model.Unit]:
        return list(self._model.units.values())

    def _status(self, status: tuple[str, str], options: argparse.Namespace) -> dict[str, object]:
        data = {"message": status[1], "status-data": {}} if options.include_data else {}
        return {"status": status[0], **data}

    def _relation_ids(self, options: argparse.Namespace, stdin: str) -> str:
        listed = self._has_relation() and self.hook.name != "peers-relation-broken"
        return json.dumps([model.RELATION] if listed and options.endpoint == "peers" else [])

    def _relation_list(self, options: argparse.Namespace, stdin: str) -> str:
        self._check_relation(options.relation)
        return json.dumps(self._model.app if options.app else sorted(self.unit.peers))

    def _relation_get(self, options: argparse.Namespace, stdin: str) -> str:
        self._check_relation(options.relation, data=True)
        if options.app:
            settings = self._model.read_databag(self.unit) | self._app_settings
        elif (found := self._model.find_databag(self.unit, options.unit)) is not None:
            settings = found | (self._unit_settings if options.unit == self.unit.name else {})
        else:
            unknown = self._model.release.unknown_unit
            raise model.CommandError(self._say(unknown, unit=options.unit))
        return json.dumps(settings if options.key == "-" else settings.get(options.key))

    def _relation_set(self, options: argparse.Namespace, stdin: str) -> None:
        self._check_relation(options.relation, data=True)
        if options.app and not self._leads():
            raise model.CommandError("cannot write relation settings")
        settings = json.loads(stdin)
        (self._app_settings if options.app else self._unit_settings).update(settings)

    def _has_relation(self) -> bool:
        installed = "install" in self.unit.ran or self._model.release.lists_peers_in_install
        return installed and "peers-relation-broken" not in self.unit.ran

    def _check_relation(self, relation: str, *, data: bool = False) -> None:
        id_ = model.RELATION.split(":")[-1]
        if relation.split(":")[-1] != id_ or not self._has_relation():
            raise model.CommandError(
                f'invalid value "{relation}" for option -r: relation not found', status=2
            )
        if data and "install" not in self.unit.ran:
            raise model.CommandError("permission denied")

    def _secret_add(self, options: argparse.Namespace, stdin: str) -> str:
        content = _read_content(options.content)
        if options.owner != "application":
            raise model.CommandError("the simulated Juju has secrets of the application only")
        if not self._leads():
            raise model.CommandError(NOT_LEADER)
        id_ = model.new_id()
        rotation = options.rotate or "never"
        self._new_secrets[id_] = model.Secret(
            id_, options.label, {1: content}, {self.unit.name: 1}, rotation
        )
        return f"secret://{model.UUID}/{id_}\n"

    def _secret_get(self, options: argparse.Namespace, stdin: str) -> str:
        id_ = self._find(options)
        if id_ is None:
            names = {"id": _bare_id(options.id or ""), "label": options.label}
            unknown = self._model.release.unknown_label
            raise model.CommandError(
                self._say('secret "{id}" not found' if options.id else unknown, **names)
            )
        if id_ in self._new_secrets:
            return json.dumps(self._new_secrets[id_].revisions[1])
        secret = self._model.secrets[id_]
        if options.id and options.label not in (None, secret.label):
            self._relabel(secret, options.label)
        if (options.refresh or options.peek) and id_ in self._contents:
            if options.refresh:
                self._refreshed.add(id_)
            return json.dumps(self._contents[id_])
        tracked = secret.tracked.setdefault(self.unit.name, secret.latest)
        if options.refresh:
            tracked = secret.tracked[self.unit.name] = secret.latest
        return json.dumps(secret.revisions[secret.latest if options.peek else tracked])

    def _relabel(self, secret: model.Secret, label: str) -> None:
        if self._leads():
            secret.label = label
        elif self._model.release.relabel:
            raise model.CommandError(self._model.release.relabel)

    def _secret_info_get(self, options: argparse.Namespace, stdin: str) -> str:
        id_ = self._find(options)
        if id_ is None or not self._leads():
            name = _bare_id(options.id) if options.id else options.label
            raise model.CommandError(f'secret "{name}" not found')
        secret = self._new_secrets.get(id_) or self._model.secrets[id_]
        info = {
            "revision": secret.latest,
            "label": secret.label,
            "owner": "application",
            "rotation": secret.rotation,
        }
        rotates = {} if secret.rotation == "never" else {"rotates": "2026-02-01T00:00:00Z"}
        return json.dumps({id_: info | rotates})

    def _secret_set(self, options: argparse.Namespace, stdin: str) -> None:
        id_ = _bare_id(options.id)
        content = _read_content(options.content)
        if id_ in self._new_secrets:
            self._new_secrets[id_].revisions[1] = content
            return
        if options.rotate:
            self._rotations[id_] = options.rotate
        secret = self._model.secrets.get(id_)
        # The leader's agent knows a checksum, and drops what changes nothing.
        known = self._leads() and secret and secret.revisions[secret.latest] == content
        if content and not known:
            self._contents[id_] = content

    def _secret_remove(self, options: argparse.Namespace, stdin: str) -> None:
        self._removals.append((_bare_id(options.id), options.revision))

    def _find(self, options: argparse.Namespace) -> str | None:
        """Find a secret by id, or by its owner's label, which followers may use as well."""
        if options.id:
            id_ = _bare_id(options.id)
            return id_ if id_ in self._new_secrets | self._model.secrets else None
        for id_, secret in self._new_secrets.items():
            if secret.label == options.label:
                return id_
        return self._find_label(options.label)

    def _find_label(self, label: str) -> str | None:
        labels = {secret.label: id_ for id_, secret in self._model.secrets.items()}
        return labels.get(label)

    def _action_get(self, options: argparse.Namespace, stdin: str) -> str:
        return json.dumps({})

    def _action_set(self, options: argparse.Namespace, stdin: str) -> None:
        self._results.update(pair.split("=", 1) for pair in options.pairs)

    def _action_fail(self, options: argparse.Namespace, stdin: str) -> None:
        self._failure = " ".join(options.message)


def _bare_id(id_: str) -> str:
    """Return what is unique of secret:ID or secret://MODEL/ID."""
    return id_.removeprefix("secret:").rsplit("/", 1)[-1]


def _read_content(pairs: list[str]) -> dict[str, str]:
    content = {}
    for pair in pairs:
        key, value = pair.split("=", 1)
        if not KEY.fullmatch(key):
            raise model.CommandError(f'key "{key}" not valid', status=2)
        content[key] = value
    return content


_APP = arg("--app", **FLAG)
_RELATION = arg("-r", dest="relation", default="0")
_SECRET = (arg("id", nargs="?"), arg("--label"))
_CONTENT = arg("content", nargs="*")
_OWNER = arg("--owner", choices=["application", "unit"], default="application")
_APPLICATION = arg("--application", default="false")
_MESSAGE = arg("message", nargs="*")
_PARSERS = {
    command: make_parser(command, *options)
    for command, options in {
        "is-leader": (),
        "application-version-set": (arg("version"),),
        "goal-state": (),
        "config-get": (arg("key", nargs="?"),),
        "status-set": (_APPLICATION, arg("status"), _MESSAGE),
        "status-get": (_APPLICATION, arg("--include-data", **FLAG)),
        "relation-ids": (arg("endpoint"),),
        "relation-list": (_APP, _RELATION),
        "relation-get": (_APP, _RELATION, arg("key"), arg("unit", nargs="?")),
        "relation-set": (_APP, _RELATION, arg("--file", choices=["-"], required=True)),
        # No secret becomes due by itself here.
        "secret-add": (
            *(arg("--label", required=True), arg("--expire"), arg("--rotate")),
            *(arg("--description"), _OWNER, _CONTENT),
        ),
        "secret-get": (*_SECRET, arg("--refresh", **FLAG), arg("--peek", **FLAG)),
        "secret-info-get": _SECRET,
        "secret-set": (arg("--rotate"), _OWNER, arg("id"), _CONTENT),
        "secret-remove": (arg("id"), arg("--revision", type=int)),
        "action-get": (arg("key", nargs="?"),),
        "action-set": (arg("pairs", nargs="*"),),
        "action-fail": (_MESSAGE,),
    }.items()
}
COMMANDS = tuple(_PARSERS)
