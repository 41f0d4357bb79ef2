"""A stand-in for Charmhub, behind the charmcraft that a charm's release workflow calls.

It knows what the workflow uses, refuses what Charmhub refuses there, and stands in for jq and yq
too, which GitHub's runners carry.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import yaml

TOOLS = ("charmcraft", "jq", "yq")
PACKED = ("a_amd64.charm", "a_arm64.charm")
# The revision of the first image; a charm's revisions count from 1.
IMAGE_REVISION = 7


class Charmhub:
    """Charmhub, with a checkout of the charm beside the packed charms."""

    def __init__(self, folder: pathlib.Path, charm: pathlib.Path, *, refuses: str = ""):
        """Lay out what a release job finds.

        Args:
            folder: An empty folder for the job.
            charm: The baked charm.
            refuses: The packed charm that fails Charmhub's review.
        """
        self._folder = folder
        self._state = folder / "charmhub.json"
        write(self._state, {"refuses": refuses, "charms": [], "images": [], "released": []})
        (folder / "charmcraft.yaml").write_text((charm / "charmcraft.yaml").read_text())
        for name in PACKED:
            (folder / "packed").mkdir(exist_ok=True)
            (folder / "packed" / name).touch()
        for tool in TOOLS:
            script = folder / "bin" / tool
            script.parent.mkdir(exist_ok=True)
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {tool} "$@"\n')
            script.chmod(0o755)

    def run(self, script: str, environment: dict[str, str]) -> int:
        """Run a step's script as GitHub runs it, and return its exit code."""
        path = f"{self._folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self._folder,
            env={**environment, "PATH": path, "CHARMHUB": str(self._state)},
        ).returncode

    @property
    def images(self) -> list[str]:
        """The images that were uploaded, in order."""
        return json.loads(self._state.read_text())["images"]

    @property
    def released(self) -> list[dict[str, Any]]:
        """What is released: the file of the charm, its channel, its resources' revisions."""
        return json.loads(self._state.read_text())["released"]


def write(state: pathlib.Path, content: dict[str, Any]) -> None:
    """Keep the state of Charmhub."""
    state.write_text(json.dumps(content))


def charmcraft(arguments: list[str]) -> None:
    """Do what a release asks of charmcraft; exits if Charmhub would refuse it."""
    parser = argparse.ArgumentParser(prog="charmcraft")
    commands = parser.add_subparsers(dest="command", required=True)
    upload = commands.add_parser("upload")
    upload.add_argument("file")
    upload.add_argument("--name", required=True)
    upload.add_argument("--release")
    upload.add_argument("--format", choices=["json"])
    upload_resource = commands.add_parser("upload-resource")
    upload_resource.add_argument("name")
    upload_resource.add_argument("resource")
    upload_resource.add_argument("--image", required=True)
    upload_resource.add_argument("--format", choices=["json"])
    release = commands.add_parser("release")
    release.add_argument("name")
    release.add_argument("--revision", type=int, required=True)
    release.add_argument("--channel", required=True)
    release.add_argument("--resource", action="append", default=[])
    promote = commands.add_parser("promote")
    promote.add_argument("--name", required=True)
    promote.add_argument("--from-channel", required=True)
    promote.add_argument("--to-channel", required=True)
    promote.add_argument("--yes", action="store_true", required=True)
    args = parser.parse_args(arguments)

    path = pathlib.Path(os.environ["CHARMHUB"])
    state = json.loads(path.read_text())
    checkout = yaml.safe_load(pathlib.Path("charmcraft.yaml").read_text())
    if args.name != checkout["name"]:
        sys.exit(f"charmcraft: no charm {args.name}")
    if args.command == "upload":
        if pathlib.Path(args.file).name == state["refuses"] or not os.path.exists(args.file):
            sys.exit(f"charmcraft: {args.file} is refused")
        state["charms"].append(args.file)
        if args.release:
            released = {"file": args.file, "channel": args.release, "resources": {}}
            state["released"].append(released)
        print(json.dumps({"revision": len(state["charms"])}))
    elif args.command == "upload-resource":
        if not state["charms"] or args.resource not in checkout.get("resources", {}):
            sys.exit(f"charmcraft: no revision has a resource {args.resource}")
        state["images"].append(args.image)
        print(json.dumps({"revision": IMAGE_REVISION + len(state["images"]) - 1}))
    elif args.command == "promote":
        # Without a prompt, charmcraft takes channels with their track alone.
        if not args.from_channel.startswith("latest/") or "/" not in args.to_channel:
            sys.exit("charmcraft: Channels must be fully defined in non-interactive mode.")
        source = args.from_channel.removeprefix("latest/")
        found = [it for it in state["released"] if it["channel"] == source]
        state["released"] += [{**it, "channel": args.to_channel} for it in found]
        print(f"{len(found)} revisions promoted from {args.from_channel} to {args.to_channel}")
    else:
        resources = {name: int(it) for name, it in (pair.split(":") for pair in args.resource)}
        known = range(IMAGE_REVISION, IMAGE_REVISION + len(state["images"]))
        if not all(revision in known for revision in resources.values()):
            sys.exit("charmcraft: no such revision of a resource")
        released = {"file": state["charms"][args.revision - 1], "channel": args.channel}
        state["released"].append({**released, "resources": resources})
    write(path, state)


def query(document: Any, path: str) -> None:
    """Print what a path of keys, such as ``.a.b``, leads to, as jq and yq do."""
    for key in path.removeprefix(".").split("."):
        document = document[key]
    print(document)


if __name__ == "__main__":
    tool, *rest = sys.argv[1:]
    if tool == "charmcraft":
        charmcraft(rest)
    elif tool == "jq":
        query(json.load(sys.stdin), rest[0])
    else:
        query(yaml.safe_load(pathlib.Path(rest[1]).read_text()), rest[0])
