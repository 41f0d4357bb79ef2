"""Do the documents of both layers say what is so?"""

from __future__ import annotations

import configparser
import fnmatch
import pathlib
import re
from xml.etree import ElementTree

import yaml

from tests.support import baking, parameters
from tools import matrix

SVG = "{http://www.w3.org/2000/svg}"


def environments(project: pathlib.Path) -> list[tuple[str, str]]:
    """Return the commands that a project's tox.ini offers, with what they do."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(project / "tox.ini")
    named = [section for section in tox.sections() if section.startswith("testenv:")]
    return [
        ("tox", tox["tox"]["env_list"]),
        *(
            (f"tox -e {section.removeprefix('testenv:')}", tox[section]["description"])
            for section in named
        ),
    ]


def commands(document: str) -> list[tuple[str, str]]:
    """Return the rows of a document's table of commands."""
    table = document.split("| command | what it does |\n|---|---|\n")[1].split("\n\n")[0]
    rows = [re.fullmatch(r"\| `(.*)` \| (.*) \|", row) for row in table.splitlines()]
    return [(row[1], row[2]) if row else ("", "") for row in rows]


def anchors(document: str) -> set[str]:
    """Return the names by which GitHub links to a document's headings."""
    headings = re.findall(r"^#+ (.*)$", document, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(project: pathlib.Path, documents: list[pathlib.Path]) -> list[str]:
    """Return the links between a project's files that lead nowhere."""
    broken = []
    for document in documents:
        for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
            if "://" in link or link.startswith("mailto:"):
                continue
            file, _, anchor = link.partition("#")
            target = (document.parent / file).resolve() if file else document
            known = target.exists() and target.is_relative_to(project)
            if not known or (anchor and anchor not in anchors(target.read_text())):
                broken.append(f"{document.relative_to(project)}: {link}")
    return broken


@parameters.SUBSTRATES
def test_contributing_matches_tox_ini_to_the_letter(baker: baking.Baker, substrate: str):
    charm = baker.bake({"substrate": substrate})

    assert commands((charm / "CONTRIBUTING.md").read_text()) == environments(charm)


def test_the_templates_contributing_matches_tox_ini_to_the_letter():
    document = (matrix.TEMPLATE / "CONTRIBUTING.md").read_text()

    assert commands(document) == environments(matrix.TEMPLATE)


@parameters.FUNCTIONAL
def test_every_command_in_contributing_is_one_that_works(
    baker: baking.Baker, variant: matrix.Variant
):
    charm = baker.bake(variant)
    document = (charm / "CONTRIBUTING.md").read_text()
    offered = {command for command, _ in environments(charm)}

    for command in re.findall(r"\btox -e [a-z]+", document):
        assert command in offered
    channel = matrix.JUJU_CHANNELS[variant["integration_tests"]][-1]
    workflow = (charm / ".github" / "workflows" / "integration.yaml").read_text()
    (prepare,) = re.findall(r"sudo concierge prepare .*", document)
    assert prepare.endswith(f" --juju-channel={channel}")
    assert prepare.rpartition("=")[0] in workflow
    keep = {"pytest-operator": "--keep-models", "jubilant": "--no-juju-teardown"}
    assert f"`tox -e integration -- {keep[variant['integration_tests']]}`" in document


@parameters.FUNCTIONAL
def test_the_readme_has_every_action_option_and_status(
    baker: baking.Baker, variant: matrix.Variant
):
    charm = baker.bake(variant)
    readme = (charm / "README.md").read_text()
    charmcraft = yaml.safe_load((charm / "charmcraft.yaml").read_text())
    source = (charm / "src" / "charm.py").read_text()

    name = charmcraft["name"]
    actions = re.findall(rf"`juju run {name}/\w+ ([\w-]+)`", readme)
    assert sorted(actions) == sorted(charmcraft["actions"])
    options = re.findall(rf"`juju config {name} ([\w-]+)=", readme)
    assert options == list(charmcraft["config"]["options"])
    waiting = re.findall(r'WaitingStatus\("(.*)"\)', source)
    missing = (charm / "src" / "leadership.py").read_text().split("def missing")[1].split("@")[0]
    waiting += [f"waiting for {what}" for what in re.findall(r'return .*"(the .*)"', missing)]
    assert sorted(re.findall(r"^\| `(waiting [^`]*)` \|", readme, re.MULTILINE)) == sorted(waiting)
    levels = re.search(r"LOG_LEVELS = \((.*)\)", source)
    assert levels and all(f"`{level}`" in readme for level in re.findall(r"\w+", levels[1]))
    (assumed, *_) = charmcraft["assumes"]
    juju = matrix.juju(variant["integration_tests"])
    assert f"Juju {juju}, from {assumed.removeprefix('juju >= ')} on," in readme
    (packed,) = re.findall(r"juju deploy \./(\S+)", readme)
    assert fnmatch.fnmatch(f"{name}_amd64.charm", packed)
    resources = re.findall(r"--resource ([\w-]+)=(\S+)", readme)
    assert dict(resources) == {
        resource: it["upstream-source"] for resource, it in charmcraft.get("resources", {}).items()
    }


@parameters.FUNCTIONAL
def test_no_link_between_the_charms_files_is_broken(baker: baking.Baker, variant: matrix.Variant):
    charm = baker.bake(variant)

    assert broken_links(charm, sorted(charm.rglob("*.md"))) == []


def test_no_link_between_the_templates_files_is_broken():
    documents = [*matrix.TEMPLATE.glob("*.md"), *(matrix.TEMPLATE / "docs").glob("*.md")]

    assert broken_links(matrix.TEMPLATE, documents) == []


def test_every_version_in_the_changelog_says_what_a_charm_must_change():
    changelog = (matrix.TEMPLATE / "CHANGELOG.md").read_text()
    versions = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]

    for version in versions:
        assert re.match(
            r"Unreleased|[0-9]+\.[0-9]+\.[0-9]+ - [0-9]{4}-[0-9]{2}-[0-9]{2}\n", version
        )
        changes = version.split("### What a charm must change\n")[1:]
        assert changes and changes[0].strip(), version.splitlines()[0]
    assert versions


def test_charmhub_links_to_what_the_user_answered(baker: baking.Baker):
    url = "https://forge.example/team/charm"
    charm = baker.bake({}, repository_url=url, contact="https://chat.example/room")

    links = yaml.safe_load((charm / "charmcraft.yaml").read_text())["links"]

    assert links == {
        "contact": "https://chat.example/room",
        "documentation": url,
        "issues": f"{url}/issues",
        "source": url,
        "website": url,
    }


def test_nobody_owns_the_code_who_might_not_exist(baker: baking.Baker):
    """GitHub ignores a file with an owner that it doesn't know, and a contact needn't be one."""
    codeowners = (baker.bake({}) / ".github" / "CODEOWNERS").read_text()

    assert all(line.startswith("#") for line in codeowners.splitlines())


def test_security_names_the_contact(baker: baking.Baker):
    charm = baker.bake({}, contact="security@example.com")

    assert "security@example.com" in (charm / "SECURITY.md").read_text()


@parameters.FUNCTIONAL
def test_the_icon_is_what_charmhub_takes_and_is_packed(
    baker: baking.Baker, variant: matrix.Variant
):
    """https://documentation.ubuntu.com/charmcraft/stable/reference/files/icon-svg-file/"""
    charm = baker.bake(variant)
    icon = ElementTree.parse(charm / "icon.svg").getroot()
    part = yaml.safe_load((charm / "charmcraft.yaml").read_text())["parts"]["icon"]

    assert icon.tag == f"{SVG}svg"
    assert (icon.get("width"), icon.get("height")) == ("100", "100")
    background = icon.find(f"{SVG}circle")
    assert background is not None and background.get("r") == "50"
    # Charmhub's listing review reads this; tests/juju/test_packing.py looks into the charm.
    assert part == {"plugin": "dump", "source": ".", "stage": ["icon.svg"]}
