"""Be systemctl, for the services whose unit files are in /etc/systemd/system.

It notes what is enabled and what runs in a file there, and starts nothing. It fails as systemctl
does for a service that has no unit file (exit status 5; 4 for is-active), or none that it has
read since daemon-reload.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path("/etc/systemd/system")
NOTES = FOLDER / "systemctl.json"


def main(args: list[str]) -> int:
    """Run one command, and return its exit status."""
    verb, *services = [arg for arg in args if arg != "--quiet"]
    notes = json.loads(NOTES.read_text()) if NOTES.exists() else {}
    known = notes.setdefault("known", [])
    if verb == "daemon-reload":
        notes["known"] = sorted(path.stem for path in FOLDER.glob("*.service"))
    for service in services:
        if service not in known:
            print(f"Unit {service}.service not found.", file=sys.stderr)
            return 4 if verb == "is-active" else 5
        state = notes.setdefault(service, {"enabled": False, "active": False})
        if verb == "is-active":
            return 0 if state["active"] else 3
        if verb in ("enable", "disable"):
            state["enabled"] = verb == "enable"
        elif verb in ("start", "stop"):
            state["active"] = verb == "start"
        else:
            print(f"Unknown command verb '{verb}'.", file=sys.stderr)
            return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    NOTES.write_text(json.dumps(notes))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
