"""Do the simulated machines and pods treat processes as systemd and Kubernetes do?"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.simulation import containers, hosts
from tests.support import skips
from tools import matrix

UID = 584792
METADATA = {"charm-user": "non-root", "containers": {"workload": {"uid": UID, "gid": UID}}}
# A service that notes each signal to reload, and goes on.
SERVICE = """
[Service]
ExecStart=/bin/sh -c 'trap "echo reloaded" HUP; while true; do sleep 600 & wait $!; done'
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
{more}

[Install]
WantedBy=multi-user.target
"""
# An agent that Juju's controller isn't asked by; Pebble's checks ask whether it is there.
AGENT = f"""#!{containers.PYTHON} -IS
import os, pathlib, socket, sys
pathlib.Path("/var/lib/juju/agent.pid").write_text(str(os.getpid()))
with socket.create_server(("localhost", int(os.environ["HTTP_PROBE_PORT"]))) as server:
    while True:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""
UNIQUE = f"6000.{os.getpid()}"  # Seconds that no process of another test run sleeps.
PERIOD = 0.2  # Seconds between the kubelet's probes.
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason=skips.NOT_ROOT)


@pytest.fixture
def site() -> Iterator[hosts.Site]:
    """Return what the hosts of a test share; all their processes end with it."""
    if problem := containers.problem():
        pytest.skip(problem)
    site = hosts.Site()
    yield site
    site.close()


@pytest.fixture
def machine(site: hosts.Site, tmp_path: pathlib.Path) -> hosts.Machine:
    """Return a machine without an agent."""
    return hosts.Machine(site, "app/0", "10.0.0.1", tmp_path / "m", containers.PYTHON, {})


@pytest.fixture
def make_pod(site: hosts.Site, tmp_path: pathlib.Path) -> Iterator[Callable[[int], hosts.Pod]]:
    """Return what starts a pod of a number, whose agent only answers probes."""
    if not (pebble := hosts.find_pebble()):
        pytest.skip(skips.NO_PEBBLE)
    pods = []

    def make_pod(number: int) -> hosts.Pod:
        pod = hosts.Pod(
            *(site, f"app/{number}", f"10.0.0.{number + 1}", tmp_path / f"p{number}"),
            *(containers.PYTHON, {}),
            **{"model": "m", "metadata": METADATA, "pebble": pebble, "period": PERIOD},
        )
        agent = tmp_path / f"p{number}" / "volume" / "juju" / "tools" / f"unit-app-{number}"
        (agent / "agent").write_text(AGENT)
        pods.append(pod)
        pod.start()
        wait_for(lambda: pod.is_ready)
        return pod

    yield make_pod
    for pod in pods:
        pod.stop()


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def install(machine: hosts.Machine, more: str = "", *, reload: bool = True) -> None:
    """Write a unit file, and tell systemd."""
    machine.run(
        "sh", "-c", f"cat > /etc/systemd/system/some.service <<'END'{SERVICE}END".format(more=more)
    )
    if reload:
        assert systemctl(machine, "daemon-reload") == (0, "")


def systemctl(machine: hosts.Machine, *args: str) -> tuple[int, str]:
    """Run systemctl, and return its exit status and what it prints."""
    result = machine.run("systemctl", *args)
    return result.returncode, result.stdout


def process(machine: hosts.Machine) -> tuple[str, str]:
    """Return the process id and the start time of the service."""
    service = machine.service("some")
    return service["MainPID"], service["ExecMainStartTimestampMonotonic"]


def test_a_service_is_a_process_that_reload_keeps_and_restart_replaces(machine: hosts.Machine):
    install(machine)

    assert systemctl(machine, "is-active", "some") == (3, "inactive\n")
    assert systemctl(machine, "start", "some") == (0, "")
    first = process(machine)
    assert systemctl(machine, "is-active", "some") == (0, "active\n")
    assert systemctl(machine, "reload", "some") == (0, "")
    assert process(machine) == first
    assert systemctl(machine, "restart", "some") == (0, "")
    second = process(machine)
    assert systemctl(machine, "stop", "some") == (0, "")

    assert not set(first) & set(second)
    assert process(machine) == ("0", "0")
    assert systemctl(machine, "reload", "some")[0] == 1


def test_a_service_that_fails_is_started_again_until_it_fails_too_often(machine: hosts.Machine):
    install(machine)
    systemctl(machine, "start", "some")
    first = process(machine)

    machine.run("kill", "-KILL", first[0])

    wait_for(lambda: machine.service("some")["NRestarts"] == "1")
    assert process(machine) != first
    install(machine, "ExecStart=/bin/false")
    systemctl(machine, "restart", "some")
    wait_for(lambda: machine.service("some")["ActiveState"] == "failed")
    assert machine.service("some")["NRestarts"] == "4"


def test_a_changed_unit_file_counts_once_systemd_has_read_it(machine: hosts.Machine):
    install(machine, reload=False)
    assert systemctl(machine, "start", "some")[0] == 5

    systemctl(machine, "daemon-reload")
    install(machine, "Environment=NAME=new", reload=False)
    systemctl(machine, "start", "some")

    show = ("sh", "-c", 'tr "\\0" "\\n" < /proc/$(systemctl show some -pMainPID --value)/environ')
    assert machine.service("some")["NeedDaemonReload"] == "yes"
    assert "NAME=new" not in machine.run(*show).stdout
    systemctl(machine, "daemon-reload")
    assert "NAME=new" not in machine.run(*show).stdout
    systemctl(machine, "restart", "some")
    assert "NAME=new" in machine.run(*show).stdout


def test_what_is_enabled_starts_with_the_machine_and_ends_with_it(machine: hosts.Machine):
    command = f"/bin/sleep {UNIQUE}"
    install(machine, f"ExecStart={command}")
    assert systemctl(machine, "is-enabled", "some") == (1, "disabled\n")
    assert systemctl(machine, "enable", "--now", "some") == (0, "")
    assert len(processes(command)) == 1

    machine.stop()

    assert not processes(command)
    assert systemctl(machine, "is-enabled", "some") == (0, "enabled\n")
    assert systemctl(machine, "is-active", "some") == (0, "active\n")
    assert systemctl(machine, "disable", "--now", "some") == (0, "")
    machine.stop()
    assert systemctl(machine, "is-active", "some") == (3, "inactive\n")


def test_a_service_whose_condition_is_not_met_does_not_start(machine: hosts.Machine):
    install(machine, "[Unit]\nConditionPathExists=/etc/ready")
    assert systemctl(machine, "enable", "--now", "some") == (0, "")
    assert systemctl(machine, "is-active", "some") == (3, "inactive\n")
    machine.stop()
    assert systemctl(machine, "is-active", "some") == (3, "inactive\n")

    machine.run("touch", "/etc/ready")
    machine.stop()

    assert systemctl(machine, "is-active", "some") == (0, "active\n")


def processes(command: str) -> set[int]:
    """Return the ids of this machine's processes that run a command."""
    result = subprocess.run(
        ["pgrep", "--full", "--exact", command], capture_output=True, text=True
    )
    return set(map(int, result.stdout.split()))


@needs_root
def test_a_service_runs_as_its_user(machine: hosts.Machine):
    install(machine, "User=daemon")

    systemctl(machine, "start", "some")

    result = machine.run("stat", "--format=%U", f"/proc/{process(machine)[0]}")
    assert result.stdout == "daemon\n"


def test_what_is_unknown_is_refused(machine: hosts.Machine):
    install(machine, "PrivateTmp=yes")

    for args, problem in (
        (("start", "some"), "PrivateTmp=yes"),
        (("start", "other"), "not found"),
        (("edit", "some"), "edit"),
        (("start", "--no-block", "some"), "--no-block"),
        (("enable", "other"), "does not exist"),
    ):
        status, output = systemctl(machine, *args)
        assert status and problem in output, args
    install(machine, "[Unit]\nConditionPathExists=!/etc/ready")
    assert "what to do with '!/etc/ready'" in systemctl(machine, "start", "some")[1]


def test_nothing_survives_a_test_run_that_is_killed(tmp_path: pathlib.Path):
    if problem := containers.problem():
        pytest.skip(problem)
    folder = str(tmp_path)
    command = f"sleep {UNIQUE}"
    script = f"""
import pathlib, time
from tests.simulation import hosts, containers
site = hosts.Site()
machine = hosts.Machine(site, "app/0", "10.0.0.1", pathlib.Path({folder!r}),
                        containers.PYTHON, {{}})
machine.run("sh", "-c", "{{ setsid {command} & setsid {command} & }} > /dev/null 2>&1")
print(site.folder, flush=True)
time.sleep(600)
"""
    killed = subprocess.Popen(
        [sys.executable, "-c", script], cwd=matrix.TEMPLATE, stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout
    site = pathlib.Path(killed.stdout.readline().strip())
    wait_for(lambda: len(processes(command)) == 2)

    killed.kill()
    killed.communicate()

    wait_for(lambda: not processes(command))
    site.rmdir()


def test_every_container_knows_the_pods_by_their_headless_names(
    make_pod: Callable[[int], hosts.Pod],
):
    pods = [make_pod(0), make_pod(1)]

    for pod in pods:
        for container in ("charm", "workload"):
            for domain in ("", ".m", ".m.svc", ".m.svc.cluster.local"):
                names = [f"app-{number}.app-endpoints{domain}" for number in (0, 1)]
                found = pod.run("getent", "ahostsv4", *names, container=container).stdout
                assert {line.split()[0] for line in found.splitlines()} == {
                    "10.0.0.1",
                    "10.0.0.2",
                }
    code = "import socket; print(socket.getfqdn())"
    assert pods[1].run(containers.PYTHON, "-c", code).stdout == f"{pods[1].names[-1]}\n"
    assert pods[1].run("getent", "hosts", "app-0").returncode == 2
    pods[0].stop()
    assert pods[1].run("getent", "hosts", "app-0.app-endpoints").returncode == 2


@needs_root
def test_the_workload_s_pebble_is_its_user_s(make_pod: Callable[[int], hosts.Pod]):
    pod = make_pod(0)
    write = ("/charm/bin/pebble", "push", "/etc/hosts")
    environment = {**pod.environment, "PEBBLE_SOCKET": "/charm/containers/workload/pebble.socket"}

    refused = pod.run(*write, "/etc/some", environment=environment)
    done = pod.run(*write, "/tmp/some", environment=environment)

    assert "permission denied" in refused.stdout
    assert done.returncode == 0, done.stdout
    assert pod.run("stat", "--format=%u", "/tmp/some", container="workload").stdout == f"{UID}\n"
    assert pod.run("id", "--user").stdout == "170\n"


def boot_id(pod: hosts.Pod, container: str) -> str:
    """Return what differs after each start of a container's Pebble."""
    socket = {"charm": "/var/lib/pebble/default/.pebble.socket"}.get(
        container, "/charm/container/pebble.socket"
    )
    code = f"""
import http.client, json, socket
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect({socket!r})
connection.request("GET", "/v1/system-info")
print(json.load(connection.getresponse())["result"]["boot-id"])
"""
    result = pod.run(containers.PYTHON, "-c", code, container=container)
    return result.stdout if result.returncode == 0 else ""


@pytest.mark.parametrize("container", ["charm", "workload"])
def test_a_container_that_ends_is_started_again(
    make_pod: Callable[[int], hosts.Pod], container: str
):
    pod = make_pod(0)
    before = boot_id(pod, container)

    pod.kill(container)

    wait_for(lambda: boot_id(pod, container) not in ("", before))
    wait_for(lambda: pod.is_ready)


def test_an_agent_that_is_frozen_takes_its_container_along(make_pod: Callable[[int], hosts.Pod]):
    pod = make_pod(0)
    before = boot_id(pod, "charm")

    pod.run("sh", "-c", "kill -STOP $(cat /var/lib/juju/agent.pid)")

    wait_for(lambda: boot_id(pod, "charm") not in ("", before))
    wait_for(lambda: pod.is_ready)


def test_an_agent_that_is_stopped_with_its_check_only_makes_the_pod_unready(
    make_pod: Callable[[int], hosts.Pod],
):
    pod = make_pod(0)
    before = boot_id(pod, "charm")

    for command in ("stop-checks liveness", "stop container-agent"):
        assert pod.run("/charm/bin/pebble", *command.split()).returncode == 0

    wait_for(lambda: not pod.is_ready)
    time.sleep(10 * PERIOD)
    assert boot_id(pod, "charm") == before


def test_hosts_reach_each_other_and_share_no_port(make_pod: Callable[[int], hosts.Pod]):
    pods = [make_pod(0), make_pod(1)]
    listen = "import socket; socket.create_server(('', 7000)).accept()[0].sendall(NAME)"
    for pod in pods:
        code = listen.replace("NAME", repr(pod.hostname.encode()))
        command = ("setsid", containers.PYTHON, "-c", code)
        pod.run("sh", "-c", '"$@" > /dev/null 2>&1 &', "sh", *command)
    ask = (
        "import socket; connection = socket.create_connection((NAME, 7000));"
        "print(connection.recv(100).decode())"
    )

    for pod, other in (pods, pods[::-1]):
        command = (containers.PYTHON, "-c", ask.replace("NAME", repr(other.names[0])))
        wait_for(lambda: pod.run(*command).stdout == f"{other.hostname}\n")  # noqa: B023


def test_a_host_takes_the_address_of_a_former_one(site: hosts.Site):
    """As a new pod may; its neighbours know the former one's hardware."""
    serve = "import socket, sys; server = socket.create_server(('', 7000)); print(flush=True); "
    serve += "server.settimeout(20); server.accept()[0].sendall(sys.argv[1].encode())"
    ask = "import socket; print(socket.create_connection(('10.0.0.1', 7000), 5).recv(9).decode())"
    neighbour = site.network.add_host("10.0.0.2")

    answers = []
    for name in ("first", "second"):
        host = site.network.add_host("10.0.0.1")
        words = (containers.PYTHON, "-c", serve, name)
        server = site.network.popen(host, *words, stdout=subprocess.PIPE)
        assert server.stdout and server.stdout.readline() == b"\n"
        words = (containers.PYTHON, "-c", ask)
        client = site.network.popen(neighbour, *words, stdout=subprocess.PIPE)
        answers.append(client.communicate()[0])
        server.communicate()
        site.network.remove_host(host)

    assert answers == [b"first\n", b"second\n"]
