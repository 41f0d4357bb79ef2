"""What a hook may ask of Juju and write to it, as the unit agent answers.

Writes are buffered, and committed when the hook exits 0. What is refused, and when, is read from
Juju 3.6 (worker/uniter/runner/context/context.go and jujuc/relation-set.go):

- relation-set --app and secret-add by a follower fail at once;
- secret-info-get by a follower says that there is no such secret;
- secret-set and secret-remove by a follower succeed, and the commit fails;
- the commit of whatever only the leader may write fails if leadership is gone by then.

status-set, and the revision that secret-get tracks, take effect at once.
"""

from __future__ import annotations

import argparse
import json
import pathlib

from tests.simulation import model
from tests.simulation.arguments import FLAG, arg, make_parser

NOT_LEADER = "this unit is not the leader"  # Juju's ErrIsNotLeader


class Context:
    """One dispatch of one unit."""

    def __init__(self, juju: model.Model, unit: model.Unit, hook: model.Hook):
        self.id = model.new_id()
        self.unit = unit
        self.hook = hook
        self.commands: list[str] = []
        self._model = juju
        self._app_settings: dict[str, str] = {}
        self._unit_settings: dict[str, str] = {}
        self._new_secrets: dict[str, tuple[str, dict[str, str]]] = {}
        self._contents: dict[str, dict[str, str]] = {}
        self._refreshed: set[str] = set()
        self._removals: list[tuple[str, int]] = []
        self._results: dict[str, str] = {}
        self._failure: str | None = None

    def run(self, command: str, args: list[str], stdin: str) -> str:
        """Run a hook command and return what it prints.

        Raises:
            RefusedError: if Juju refuses.
        """
        self.commands.append(command)
        method = getattr(self, f"_{command.replace('-', '_')}", None)
        if method is None:
            raise model.RefusedError(f"the simulated Juju has no {command}")
        with self._model.changed:
            try:
                return method(_PARSERS[command].parse_args(args), stdin) or ""
            except model.RefusedError as e:
                self._model.log.append(f"{self.unit.name} {self.hook.name}: {command}: ERROR {e}")
                raise

    def finish(self, code: int) -> bool:
        """Commit what the hook wrote, if it exited 0, and return whether all went well.

        An action that fails, even at the commit, fails the action and not the unit.
        """
        with self._model.changed:
            try:
                if code:
                    raise model.RefusedError(f"exit status {code}")
                self._commit()
                problem = None
            except model.RefusedError as e:
                problem = str(e)
                self._model.log.append(f"{self.unit.name} {self.hook.name}: ERROR {problem}")
            if action := self.hook.action:
                self._finish_action(action, code, problem)
            elif problem is None:
                self.hook.seen()
            if problem is None:
                self._model.history.append((self.unit.name, self.hook.name))
            self._model.changed.notify_all()
            return problem is None

    def _commit(self) -> None:
        for_app = (self._app_settings, self._new_secrets, self._contents, self._removals)
        if any(for_app) and not self._leads():
            raise model.RefusedError("cannot apply changes: permission denied")
        for id_, (label, content) in self._new_secrets.items():
            self._model.add_secret(id_, label, content, self.unit)
        for id_, content in self._contents.items():
            self._model.set_secret(id_, content)
            # pendingTrackLatest: a refresh after the change moves on with it.
            if id_ in self._refreshed:
                self._model.secrets[id_].tracked[self.unit.name] = self._model.secrets[id_].latest
        for id_, revision in self._removals:
            self._model.secrets[id_].revisions.pop(revision, None)
        self.unit.databag |= self._unit_settings
        self._model.write_databag(self.unit, self._app_settings)

    def _finish_action(self, action: model.Action, code: int, problem: str | None) -> None:
        self.unit.actions.remove(action)
        action.results = {**self._results, "return-code": str(code)}
        action.status = "failed" if problem or self._failure is not None else "completed"
        action.message = self._failure or ""
        if problem and not code:
            action.message = "committing requested changes failed"
            action.results |= {"stderr": problem, "return-code": "1"}
        elif problem:
            action.message = problem

    def _leads(self) -> bool:
        return self._model.is_leader(self.unit)

    # The commands, by name

    def _is_leader(self, options: argparse.Namespace, stdin: str) -> str:
        return json.dumps(self._leads())

    def _config_get(self, options: argparse.Namespace, stdin: str) -> str:
        return json.dumps(
            self._model.config.get(options.key) if options.key else self._model.config
        )

    def _status_set(self, options: argparse.Namespace, stdin: str) -> None:
        status = (options.status, " ".join(options.message))
        if options.application.lower() == "true":
            if not self._leads():
                raise model.RefusedError(NOT_LEADER)
            self._model.status = status
        else:
            self.unit.status = status

    def _status_get(self, options: argparse.Namespace, stdin: str) -> str:
        if options.application.lower() == "true":
            if not self._leads():
                raise model.RefusedError(f"finding application status: {NOT_LEADER}")
            status, message = self._model.status or ("unknown", "")
            return json.dumps(
                {
                    "application-status": {
                        "status": status,
                        "message": message,
                        "status-data": {},
                        "units": {},
                    }
                }
            )
        status, message = self.unit.status
        return json.dumps({"status": status, "message": message, "status-data": {}})

    def _relation_ids(self, options: argparse.Namespace, stdin: str) -> str:
        exists = options.endpoint == "peers" and "install" in self.unit.told
        return json.dumps([model.RELATION] if exists else [])

    def _relation_list(self, options: argparse.Namespace, stdin: str) -> str:
        self._check_relation(options.relation)
        return json.dumps(self._model.app if options.app else sorted(self.unit.peers))

    def _relation_get(self, options: argparse.Namespace, stdin: str) -> str:
        self._check_relation(options.relation)
        if options.app:
            settings = self._model.read_databag(self.unit) | self._app_settings
        elif options.unit == self.unit.name:
            settings = self.unit.databag | self._unit_settings
        elif options.unit in self.unit.peers:
            settings = self._model.units[options.unit].databag
        else:
            raise model.RefusedError(f'cannot read settings for unit "{options.unit}": not found')
        return json.dumps(settings if options.key == "-" else settings.get(options.key))

    def _relation_set(self, options: argparse.Namespace, stdin: str) -> None:
        self._check_relation(options.relation)
        if options.app and not self._leads():
            raise model.RefusedError("cannot write relation settings")
        settings = json.loads(stdin)
        (self._app_settings if options.app else self._unit_settings).update(settings)

    def _check_relation(self, relation: str) -> None:
        if relation.split(":")[-1] != model.RELATION.split(":")[-1]:
            raise model.RefusedError(
                f'invalid value "{relation}" for option -r: relation not found'
            )

    def _secret_add(self, options: argparse.Namespace, stdin: str) -> str:
        if options.owner != "application":
            raise model.RefusedError("the simulated Juju has secrets of the application only")
        if not self._leads():
            raise model.RefusedError(NOT_LEADER)
        id_ = model.new_id()
        self._new_secrets[id_] = (options.label, _read_content(options.content))
        return f"secret:{id_}\n"

    def _secret_get(self, options: argparse.Namespace, stdin: str) -> str:
        id_ = self._find(options)
        if id_ in self._new_secrets:
            return json.dumps(self._new_secrets[id_][1])
        if options.id and options.label:
            raise model.RefusedError("the simulation doesn't relabel a secret, as Juju would")
        if (options.refresh or options.peek) and id_ in self._contents:
            if options.refresh:
                self._refreshed.add(id_)
            return json.dumps(self._contents[id_])
        secret = self._model.secrets[id_]
        tracked = secret.tracked.setdefault(self.unit.name, secret.latest)
        if options.refresh:
            tracked = secret.tracked[self.unit.name] = secret.latest
        return json.dumps(secret.revisions[secret.latest if options.peek else tracked])

    def _secret_info_get(self, options: argparse.Namespace, stdin: str) -> str:
        id_ = self._find(options)
        if not self._leads():
            raise model.RefusedError(f'secret "{options.id or options.label}" not found')
        label = self._new_secrets[id_][0] if id_ in self._new_secrets else None
        secret = self._model.secrets.get(id_)
        info = {
            "revision": secret.latest if secret else 1,
            "label": label or (secret.label if secret else ""),
            "owner": "application",
            "rotation": "never",
        }
        return json.dumps({id_: info})

    def _secret_set(self, options: argparse.Namespace, stdin: str) -> None:
        id_ = _bare_id(options.id)
        content = _read_content(options.content)
        if id_ in self._new_secrets:
            self._new_secrets[id_] = (self._new_secrets[id_][0], content)
            return
        secret = self._model.secrets.get(id_)
        # The leader's agent knows a checksum, and drops what changes nothing.
        if not (self._leads() and secret and secret.revisions[secret.latest] == content):
            self._contents[id_] = content

    def _secret_remove(self, options: argparse.Namespace, stdin: str) -> None:
        self._removals.append((_bare_id(options.id), options.revision))

    def _find(self, options: argparse.Namespace) -> str:
        """Find a secret by id, or by its owner's label, which followers may use as well."""
        if options.id:
            id_ = _bare_id(options.id)
            if id_ in self._new_secrets or id_ in self._model.secrets:
                return id_
            raise model.RefusedError(f'secret "{id_}" not found')
        for id_, (label, _) in self._new_secrets.items():
            if label == options.label:
                return id_
        for id_, secret in self._model.secrets.items():
            if secret.label == options.label:
                return id_
        raise model.RefusedError(f'secret "{options.label}" not found')

    def _action_get(self, options: argparse.Namespace, stdin: str) -> str:
        return json.dumps({})

    def _action_set(self, options: argparse.Namespace, stdin: str) -> None:
        self._results.update(pair.split("=", 1) for pair in options.pairs)

    def _action_fail(self, options: argparse.Namespace, stdin: str) -> None:
        self._failure = " ".join(options.message)

    def _action_log(self, options: argparse.Namespace, stdin: str) -> None:
        pass


def _bare_id(id_: str) -> str:
    """Return what is unique of secret:ID or secret://MODEL/ID."""
    return id_.removeprefix("secret:").rsplit("/", 1)[-1]


def _read_content(pairs: list[str]) -> dict[str, str]:
    return {
        key: pathlib.Path(file).read_text()
        for key, file in (pair.split("#file=", 1) for pair in pairs)
    }


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
        "config-get": (arg("key", nargs="?"),),
        "status-set": (_APPLICATION, arg("status"), _MESSAGE),
        "status-get": (_APPLICATION, arg("--include-data", **FLAG)),
        "relation-ids": (arg("endpoint"),),
        "relation-list": (_APP, _RELATION),
        "relation-get": (_APP, _RELATION, arg("key"), arg("unit", nargs="?")),
        "relation-set": (_APP, _RELATION, arg("--file", choices=["-"], required=True)),
        # Nothing becomes due by itself here.
        "secret-add": (
            *(arg("--label", required=True), arg("--expire"), arg("--rotate")),
            *(_OWNER, _CONTENT),
        ),
        "secret-get": (*_SECRET, arg("--refresh", **FLAG), arg("--peek", **FLAG)),
        "secret-info-get": _SECRET,
        "secret-set": (_OWNER, arg("id"), _CONTENT),
        "secret-remove": (arg("id"), arg("--revision", type=int)),
        "action-get": (arg("key", nargs="?"),),
        "action-set": (arg("pairs", nargs="*"),),
        "action-fail": (_MESSAGE,),
        "action-log": (_MESSAGE,),
    }.items()
}
COMMANDS = tuple(_PARSERS)
