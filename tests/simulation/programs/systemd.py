"""Be systemd, the first process of a machine, as far as charms and their tests use it.

It runs the services whose unit files are in /etc/systemd/system as real processes. What it
doesn't know of unit files and of systemctl it refuses, and never ignores. Texts and exit statuses
are those of systemd 255.
"""

import collections
import contextlib
import os
import pathlib
import pwd
import re
import shlex
import signal
import socketserver
import subprocess
import sys
import threading
import time

FOLDER = pathlib.Path("/etc/systemd/system")
WANTS = FOLDER / "multi-user.target.wants"
STATE = pathlib.Path("/var/lib")
SOCKET = pathlib.Path("/run/systemd/private")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Settings that are acted on or that change nothing here, by section.
KNOWN = {
    "Unit": {"After", "ConditionPathExists", "Description", "Documentation", "Wants"},
    "Service": {
        *("Environment", "ExecReload", "ExecStart", "Group", "Restart", "RestartSec", "Type"),
        *("StateDirectory", "UMask", "User"),
    },
    "Install": {"WantedBy"},
}
TYPES = ("simple", "exec")
RESTARTS = ("no", "on-failure", "always")
CLEAN_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
STOP_TIMEOUT = 90.0
START_LIMIT = (5, 10.0)  # Starts within seconds.
# Held by whoever changes something; told whenever a process has ended.
changed = threading.Condition()
exit_statuses: dict[int, int] = {}  # Of processes in `awaited`, by process id.
awaited: set[int] = set()


class CommandError(Exception):
    """systemctl fails, with a message and an exit status."""

    def __init__(self, message: str, status: int = 1):
        super().__init__(message)
        self.status = status


class Service:
    """A service, as its unit file was at the last daemon-reload."""

    def __init__(self, name: str):
        self.name = name
        self.state = "inactive"
        self.process: subprocess.Popen | None = None
        self.started = 0.0
        self.restarts = 0
        self.load()

    @property
    def file(self) -> pathlib.Path:
        """The unit file."""
        return FOLDER / f"{self.name}.service"

    def load(self) -> None:
        """Read the unit file."""
        self.text = self.file.read_text() if self.file.exists() else None
        self.problem = None
        try:
            self.settings = parse(self.text or "")
        except ValueError as e:
            self.problem = str(e)

    @property
    def load_state(self) -> str:
        """Whether the unit file was there and understood."""
        if self.text is None:
            return "not-found"
        return "bad-setting" if self.problem else "loaded"

    def get(self, key: str, default: str = "") -> str:
        """Return the last value of a setting."""
        return self.settings.get(key, [default])[-1]

    def start(self) -> None:
        """Start the service, unless it runs."""
        if self.problem:
            raise CommandError(f"{self.name}.service: {self.problem}")
        if self.process is None:
            self.starts = collections.deque([], START_LIMIT[0])
            self.restarts = 0
            self._start()

    def stop(self) -> None:
        """Stop the service and all its processes, and wait until they have ended."""
        process, self.state = self.process, "inactive"
        if process is None:
            return
        self.state = "deactivating"
        signal_group(process.pid, signal.SIGTERM)
        if not changed.wait_for(lambda: self.process is not process, STOP_TIMEOUT):
            signal_group(process.pid, signal.SIGKILL)
            changed.wait_for(lambda: self.process is not process)

    def reload(self) -> None:
        """Run ExecReload, and wait until it has ended."""
        if self.process is None:
            raise CommandError(f"{self.name}.service is not active, cannot reload.")
        if "ExecReload" not in self.settings:
            message = "Job type reload is not applicable for unit"
            raise CommandError(f"Failed to reload: {message} {self.name}.service.")
        process = self._spawn("ExecReload", {"MAINPID": str(self.process.pid)})
        awaited.add(process.pid)
        changed.wait_for(lambda: process.pid in exit_statuses)
        awaited.remove(process.pid)
        if exit_statuses.pop(process.pid):
            raise CommandError(f"Job for {self.name}.service failed.")

    def ended(self, status: int) -> None:
        """Note that the main process has ended, and start it anew if the unit file says so."""
        assert self.process is not None
        signal_group(self.process.pid, signal.SIGKILL)
        self.process = None
        clean = status == 0 or -status in CLEAN_SIGNALS
        stopped = self.state == "deactivating"
        self.state = "inactive" if clean else "failed"
        restart = self.get("Restart", "no")
        if not stopped and (restart == "always" or (restart == "on-failure" and not clean)):
            self.state = "activating"
            timer = threading.Timer(float(self.get("RestartSec", "0.1")), self._restart)
            timer.daemon = True
            timer.start()

    def _restart(self) -> None:
        with changed:
            if self.state == "activating":
                number, seconds = START_LIMIT
                if len(self.starts) == number and time.monotonic() - self.starts[0] < seconds:
                    self.state = "failed"
                    return
                self.restarts += 1
                self._start()

    def _start(self) -> None:
        self.starts.append(time.monotonic())
        conditions = self.settings.get("ConditionPathExists", [])
        if not all(pathlib.Path(path).exists() for path in conditions):
            log(f"{self.name}: skipped because of an unmet condition check")
            self.state = "inactive"
            return
        try:
            self.process = self._spawn("ExecStart", {})
        except (KeyError, OSError) as e:
            # What systemd's child would find out: exit status 203/EXEC or 217/USER.
            log(f"{self.name}: {e!r}")
            self.process = subprocess.Popen(["/bin/false"], start_new_session=True)
        self.started = time.monotonic()
        self.state = "active"

    def _spawn(self, key: str, variables: dict[str, str]) -> subprocess.Popen:
        environment = {"PATH": SYSTEM_PATH, **variables}
        for assignments in self.settings.get("Environment", []):
            for name, _, value in (pair.partition("=") for pair in shlex.split(assignments)):
                environment[name] = value
        options: dict = {}
        if (user := self.get("User")) and can_become(pwd.getpwnam(user).pw_uid):
            entry = pwd.getpwnam(user)
            environment |= {"USER": user, "LOGNAME": user, "HOME": entry.pw_dir}
            options = {"user": entry.pw_uid, "group": self.get("Group") or entry.pw_gid}
            options["extra_groups"] = os.getgrouplist(user, entry.pw_gid)
        for name in self.get("StateDirectory").split():
            folder = STATE / name
            folder.mkdir(exist_ok=True)
            os.chown(folder, options.get("user", 0), options.get("group", 0))
        process = subprocess.Popen(
            words(self.get(key), environment),
            cwd="/",
            env=environment,
            umask=int(self.get("UMask", "022"), 8),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )
        process.returncode = 0  # So that subprocess doesn't wait for it; `reap` does.
        return process

    def show(self) -> dict[str, str]:
        """Return the properties that systemctl shows."""
        running = self.process is not None
        text = self.file.read_text() if self.file.exists() else None
        return {
            "Id": f"{self.name}.service",
            "LoadState": self.load_state,
            "ActiveState": self.state,
            "UnitFileState": unit_file_state(self.name),
            "MainPID": str(self.process.pid if self.process else 0),
            "ExecMainStartTimestampMonotonic": str(int(self.started * 1e6) if running else 0),
            "NRestarts": str(self.restarts),
            "NeedDaemonReload": "no" if text == self.text else "yes",
        }


services: dict[str, Service] = {}


def parse(text: str) -> dict[str, list[str]]:
    """Return the settings of a unit file.

    Raises:
        ValueError: if there is one that this doesn't know.
    """
    section, settings = "", {}
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            section = line.strip("[]")
            continue
        key, _, value = (part.strip() for part in line.partition("="))
        if key not in KNOWN.get(section, ()):
            raise ValueError(f"the simulated systemd doesn't know {line!r} of [{section}]")
        settings.setdefault(key, []).append(value)
    for key, values in (("Type", TYPES), ("Restart", RESTARTS)):
        if (value := settings.get(key, [values[0]])[-1]) not in values:
            raise ValueError(f"the simulated systemd doesn't know {key}={value}")
    if text and "ExecStart" not in settings:
        raise ValueError("Service has no ExecStart=")
    keys = ("ConditionPathExists", "ExecStart", "ExecReload")
    for value in [value for key in keys for value in settings.get(key, [])]:
        if value[0] != "/" or re.sub("%%", "", value).count("%"):
            raise ValueError(f"the simulated systemd doesn't know what to do with {value!r}")
    return settings


def words(command: str, environment: dict[str, str]) -> list[str]:
    """Split a command, and put variables in, as systemd.service(5) says."""
    found = []
    for word in shlex.split(command.replace("%%", "%")):
        if re.fullmatch(r"\$\w+", word):
            found += environment.get(word[1:], "").split()
        else:
            found.append(
                re.sub(
                    r"\$\$|\$\{(\w+)\}",
                    lambda match: environment.get(match[1], "") if match[1] else "$",
                    word,
                )
            )
    return found


def can_become(user: int) -> bool:
    """Whether this is root, or root of a user namespace that knows this user."""
    lines = pathlib.Path("/proc/self/uid_map").read_text().splitlines()
    users = [map(int, line.split()) for line in lines]
    return any(start <= user < start + count for start, _, count in users)


def signal_group(leader: int, number: int) -> None:
    """Send a signal to all processes of a service."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


def unit_file_state(name: str) -> str:
    """Say whether a service starts at boot."""
    if not (FOLDER / f"{name}.service").exists():
        return "not-found"
    return "enabled" if (WANTS / f"{name}.service").is_symlink() else "disabled"


def reload_all() -> None:
    """Read all unit files."""
    for name in {*services, *(path.stem for path in FOLDER.glob("*.service"))}:
        if name in services:
            services[name].load()
        else:
            services[name] = Service(name)


def find(verb: str, name: str) -> Service:
    """Return a service that systemd has read.

    Raises:
        CommandError: if there is none, or if its file was gone when it was read last.
    """
    service = services.get(name)
    if service is None or (service.text is None and service.process is None):
        problem = "not loaded" if verb == "stop" else "not found"
        raise CommandError(f"Failed to {verb} {name}.service: Unit {name}.service {problem}.", 5)
    return service


def set_enabled(verb: str, name: str) -> None:
    """Enable or disable a service, which reads all unit files anew."""
    link = WANTS / f"{name}.service"
    if not (FOLDER / link.name).exists():
        raise CommandError(f"Failed to {verb} unit: Unit file {link.name} does not exist.")
    if verb == "enable" and not link.is_symlink():
        WANTS.mkdir(exist_ok=True)
        link.symlink_to(FOLDER / link.name)
    elif verb == "disable":
        link.unlink(missing_ok=True)
    reload_all()


def run(args: list[str]) -> tuple[int, str]:
    """Run one systemctl command, and return its exit status and what it prints."""
    quiet = "--quiet" in args
    verb, *rest = [arg for arg in args if arg not in ("--quiet", "--no-pager")] or [""]
    options = [arg for arg in rest if arg[0] == "-"]
    names = [arg.removesuffix(".service") for arg in rest if arg[0] != "-"]
    if verb not in VERBS:
        raise CommandError(f"Unknown command verb '{verb}'.")
    status, lines = VERBS[verb](verb, names, options)
    return status, "" if quiet else "".join(f"{line}\n" for line in lines)


Answer = tuple[int, list[str]]


def change(verb: str, names: list[str], options: list[str]) -> Answer:
    """Start, stop, restart or reload services, or read all unit files."""
    check_options(verb, options)
    if verb == "daemon-reload":
        reload_all()
    for name in names:
        service = find(verb, name)
        for step in ("stop", "start") if verb == "restart" else (verb,):
            getattr(service, step)()
    return 0, []


def install(verb: str, names: list[str], options: list[str]) -> Answer:
    """Enable or disable services, and start or stop them with --now."""
    check_options(verb, options, "--now")
    for name in names:
        set_enabled(verb, name)
    return change("start" if verb == "enable" else "stop", names if options else [], [])


def tell_state(verb: str, names: list[str], options: list[str]) -> Answer:
    """Say whether one of some services is active or has failed."""
    check_options(verb, options)
    states = [services[name].state if name in services else "inactive" for name in names]
    wanted = verb.removeprefix("is-")
    otherwise = 1 if wanted == "failed" else 3 if set(names) & set(services) else 4
    return 0 if wanted in states else otherwise, states


def tell_enabled(verb: str, names: list[str], options: list[str]) -> Answer:
    """Say whether one of some services starts at boot."""
    check_options(verb, options)
    states = [unit_file_state(name) for name in names]
    return 0 if "enabled" in states else 4 if set(states) == {"not-found"} else 1, states


def tell_running(verb: str, names: list[str], options: list[str]) -> Answer:
    """Say that systemd runs, or nobody would answer."""
    return 0, ["running"]


def show(verb: str, names: list[str], options: list[str]) -> Answer:
    """Show a service's properties: all, or --property=A,B, with --value without their names."""
    asked = [option for option in options if re.fullmatch(r"(--property=|-p)[\w,]+", option)]
    check_options(verb, options, "--value", *asked)
    if len(names) != 1:
        raise CommandError(f"the simulated systemctl shows one service, not {names}")
    wanted = {name for option in asked for name in re.sub("--property=|-p", "", option).split(",")}
    properties = (services.get(names[0]) or Service(names[0])).show()
    return 0, [
        value if "--value" in options else f"{key}={value}"
        for key, value in properties.items()
        if key in wanted or not wanted
    ]


def check_options(verb: str, options: list[str], *known: str) -> None:
    """Refuse options that a command doesn't know here."""
    if unknown := set(options) - set(known):
        raise CommandError(f"the simulated systemctl {verb} doesn't know {sorted(unknown)}")


VERBS = {
    **dict.fromkeys(("daemon-reload", "reload", "restart", "start", "stop"), change),
    **dict.fromkeys(("enable", "disable"), install),
    **dict.fromkeys(("is-active", "is-failed"), tell_state),
    "is-enabled": tell_enabled,
    "is-system-running": tell_running,
    "show": show,
}


class Handler(socketserver.StreamRequestHandler):
    """Answers one systemctl."""

    def handle(self) -> None:
        """Run the command."""
        args = self.rfile.read().decode().split("\0")
        with changed:
            try:
                status, stdout = run(args)
                answer = (status, stdout, "")
            except CommandError as e:
                answer = (e.status, "", f"{e}\n")
        # Who asks may have been killed before it has heard.
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write("\0".join(map(str, answer)).encode())


class Server(socketserver.ThreadingUnixStreamServer):
    """Listens to systemctl."""

    daemon_threads = True
    request_queue_size = 64


def reap() -> None:
    """Wait for processes that have ended, and tell their services."""
    with contextlib.suppress(ChildProcessError):
        while (result := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = result[0], os.waitstatus_to_exitcode(result[1])
            with changed:
                if pid in awaited:
                    exit_statuses[pid] = status
                for service in services.values():
                    if service.process and service.process.pid == pid:
                        service.ended(status)
                changed.notify_all()


def log(text: str) -> None:
    """Write to the machine's log."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Start what is enabled, then serve until the machine is killed."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    SOCKET.parent.mkdir(parents=True, exist_ok=True)
    SOCKET.unlink(missing_ok=True)
    server = Server(str(SOCKET), Handler)
    with changed:
        reload_all()
        for name in sorted(services):
            if unit_file_state(name) == "enabled" and services[name].load_state == "loaded":
                services[name].start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        os.read(reader, 4096)
        reap()


if __name__ == "__main__":
    main()
