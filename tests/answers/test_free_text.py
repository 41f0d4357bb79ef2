"""Does a free text come out exactly as it was typed, or not at all?"""

from __future__ import annotations

import configparser
import functools
import itertools
import json
import pathlib
import re
import shlex
import string
import typing

import hypothesis
import jinja2
import pydantic
import pytest
import tomli
import yaml
from charmcraft.models import charmcraft, project
from cookiecutter import exceptions, generate, main, utils
from cookiecutter import prompt as cookiecutter_prompt
from hypothesis import strategies as st

import answer_rules
from tests.support import baking, command
from tools import matrix

LINKS = pydantic.TypeAdapter(charmcraft.Links)
FOLDER = matrix.TEMPLATE / matrix.CHARM
TEMPLATES = [
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]
# What the questions hold in the bake that every other bake is compared with.
PLAIN = {
    "charm_name": "fixture",
    "title": "PlainTitle",
    "summary": "PlainSummary",
    "author": "PlainAuthor",
    "contact": "PlainContact",
    "repository_url": "https://plain.example/repository",
}
LONGEST = {"title": 40, "summary": 78, "author": 77, "contact": 500, "repository_url": 500}
TEXTS = (
    "It's \"quoted\" and 'quoted'",
    'ends with a backslash \\ or two \\\\"',
    "# no comment: at all",
    "key: value",
    "- item",
    "100 % of %s and %(here)s",
    "{{ cookiecutter.charm_name }} {% if %}",
    "<< cookiecutter.charm_name >>",
    "<% if x %>",
    "<# no comment #>",
    "a << b >> c",
    "<<",
    "<< 'unfinished",
    "${{ secrets.X }} $(id) `id`",
    "Zoë Ødegård, naïve façade",
    "مرحبا بالعالم",
    "שלום עולם",
    "日本語の説明",
    "rocket 🚀 and flag 🇺🇦",
    "a family: 👨\u200d👩\u200d👧",
    "می\u200cخواهم and ශ\u200dරී",
    "''' and \"\"\"",
    "</script><b>[x](y)",
    "null",
    "1e3",
    "!!binary x",
    "& * ? | > @ `",
    "~~",
    "\\N{BULLET} \\x41 \\u0041 \\",
)
UNFIT = ("", " ", " x", "x ", "a\nb", "a\tb", "a\rb", "a\x00b", "a\x85b", "a\u2028b", "a\u202eb")
# Each would leave a file if it were evaluated: by Jinja, by Python, by YAML, by a shell.
CODE = (
    "<< cycler.__init__.__globals__.os.system({touch!r}) >>",
    "<% set x = cycler.__init__.__globals__.os.system({touch!r}) %>",
    "{{{{ cycler.__init__.__globals__.os.system({touch!r}) }}}}",
    "''' + str(__import__('os').system({touch!r})) + '''",
    '""" + str(__import__("os").system({touch!r})) + """',
    '"; import os; os.system({touch!r}) #',
    '!!python/object/apply:os.system ["{touch}"]',
    "$({touch}) ; {touch}",
    "`{touch}`",
)


def accepted(answers: dict[str, str]) -> bool:
    """Whether the rules take the answers."""
    return answer_rules.first_problem({"charm_name": "fixture", **answers}) is None


ANY_TEXT = st.one_of(
    st.sampled_from((*TEXTS, *UNFIT)),
    st.text("ab\"'\\#:%{}<>- ", min_size=1, max_size=80),
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=90),
    st.text(min_size=1, max_size=520),
)
FIT_URL = st.one_of(
    st.just(PLAIN["repository_url"]), st.from_regex(answer_rules.URL, fullmatch=True)
)
ANY_URL = st.one_of(
    FIT_URL,
    st.from_regex(r"https?://[a-zA-Z0-9.-]+(:[0-9]+)?/[^ ]*", fullmatch=True),
    st.text(min_size=1, max_size=60).map("https://".__add__),
)
ANY_ANSWERS = st.fixed_dictionaries(
    {
        "title": ANY_TEXT,
        "summary": ANY_TEXT,
        "author": ANY_TEXT,
        "contact": ANY_TEXT,
        "repository_url": ANY_URL,
    }
)
# Nearly all of these are accepted.
FIT_TEXT = st.one_of(
    st.sampled_from([text for text in TEXTS if len(text) <= 40]),
    st.text(
        st.characters(exclude_categories=("C", "Z"), include_characters=" "),
        min_size=2,
        max_size=40,
    ),
    st.text(string.printable[:95], min_size=2, max_size=40),
)
FIT_ANSWERS = st.fixed_dictionaries(
    {
        question: (FIT_URL if question == "repository_url" else FIT_TEXT).filter(
            lambda text, question=question: accepted({question: text})
        )
        for question in LONGEST
    }
)
QUICK = hypothesis.settings(deadline=None, max_examples=200)
WHOLE = hypothesis.settings(
    deadline=None,
    max_examples=6,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


def fitting(text: str, question: str) -> str:
    """Cut a text to what a question takes, or make an address of it."""
    if question == "repository_url":
        return PLAIN["repository_url"]
    cut = text[: LONGEST[question]].strip()
    return cut if len(cut) > 1 else f"{cut}{cut}"


def render(answers: typing.Mapping[str, str]) -> dict[str, str]:
    """Render every file in memory, as cookiecutter does under --no-input."""
    context = generate.generate_context(
        str(matrix.TEMPLATE / "cookiecutter.json"), extra_context=dict(answers)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(matrix.TEMPLATE))
        context["cookiecutter"] = cookiecutter_prompt.prompt_for_config(context, no_input=True)
    env = environment()
    return {name: env.get_template(name).render(**context) for name in TEMPLATES}


@functools.cache
def environment() -> jinja2.Environment:
    """Return cookiecutter's environment for the template's files, which keeps what it compiles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(matrix.TEMPLATE))
        env = utils.create_env_with_context({"cookiecutter": matrix.CONTEXT})
    env.loader = jinja2.FileSystemLoader([FOLDER, matrix.TEMPLATE / "templates"])
    return env


@functools.cache
def plain(variant: str) -> dict[str, str]:
    """Render the files of a variant with plain answers."""
    return render({**PLAIN, **json.loads(variant)})


@functools.lru_cache(maxsize=1000)
def parse(file: str, text: str) -> object:
    """Parse a file's text the way its reader does; as lines where nothing reads it but people."""
    suffix = pathlib.PurePath(file).suffix
    if suffix == ".py":
        return compile(text.encode(), file, "exec")
    if suffix in (".yaml", ".yml"):
        return list(yaml.safe_load_all(text))
    if suffix == ".toml":
        return tomli.loads(text)
    if suffix == ".ini":
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        return {section: dict(parser[section]) for section in parser}
    if suffix == ".json":
        return json.loads(text)
    return text.split("\n")


def fill_in(data: object, answers: typing.Mapping[str, str]) -> object:
    """Replace the plain answers by others, in every text of some parsed data."""
    if isinstance(data, dict):
        return {fill_in(key, answers): fill_in(value, answers) for key, value in data.items()}
    if isinstance(data, list):
        return [fill_in(item, answers) for item in data]
    if isinstance(data, str):
        return re.sub(
            "|".join(re.escape(PLAIN[question]) for question in answers),
            lambda found: next(answers[key] for key in answers if PLAIN[key] == found[0]),
            data,
        )
    return data


def assert_holds(
    files: typing.Mapping[str, str],
    answers: typing.Mapping[str, str],
    variant: matrix.Variant,
) -> None:
    """Fail unless the files parse, and hold these texts where plain answers stand otherwise."""
    expected = plain(json.dumps(variant))
    texts = {question: answers[question] for question in LONGEST}
    assert set(files) == set(expected)
    for file, text in files.items():
        if file == ".github/CODEOWNERS":  # It names the contact only if GitHub may know it.
            owners = [line for line in text.split("\n") if line and not line.startswith("#")]
            assert set(owners) <= {f"* {answers['contact']}"}
            continue
        assert parse(file, text) == fill_in(parse(file, expected[file]), texts), file
    metadata = yaml.safe_load(files["charmcraft.yaml"])
    assert metadata["title"] == answers["title"]
    assert metadata["summary"] == answers["summary"]
    assert metadata["links"]["contact"] == answers["contact"]
    assert metadata["links"]["source"] == answers["repository_url"]
    assert files["src/leadership.py"].split("\n")[0].endswith(f" {answers['author']}")
    project.CharmcraftProject.unmarshal(metadata)


def read(charm: pathlib.Path) -> dict[str, str]:
    """Read the files that a bake has written."""
    return {
        path.relative_to(charm).as_posix(): path.read_bytes().decode()
        for path in charm.rglob("*")
        if path.is_file()
    }


pytestmark = pytest.mark.filterwarnings("ignore:The 'charmhub' field:DeprecationWarning")


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(FIT_ANSWERS, st.sampled_from(matrix.every()))
def test_accepted_texts_are_in_the_files_as_typed(
    answers: dict[str, str], variant: dict[str, str]
):
    hypothesis.assume(accepted({**answers, **variant}))

    files = render({"charm_name": "fixture", **answers, **variant})

    assert_holds(files, answers, variant)


@pytest.mark.parametrize("text", TEXTS)
def test_a_tricky_text_is_in_the_files_as_typed(text: str):
    answers = {**PLAIN, **{question: fitting(text, question) for question in LONGEST}}
    variant = matrix.every()[len(text) % len(matrix.every())]

    assert accepted(answers)
    assert_holds(render({**answers, **variant}), answers, variant)


@pytest.mark.parametrize("question", LONGEST)
def test_the_longest_text_bakes_and_a_longer_one_does_not(question: str):
    start = PLAIN["repository_url"] if question == "repository_url" else "x"
    longest = start.ljust(LONGEST[question], "y")
    variant = matrix.every()[0]

    assert_holds(
        render({**PLAIN, question: longest, **variant}), {**PLAIN, question: longest}, variant
    )
    problem = answer_rules.first_problem({**PLAIN, question: longest + "y"})
    assert problem == (
        f"{question} has {LONGEST[question] + 1} characters; shorten it to {LONGEST[question]}"
    )


def test_an_author_s_wide_letters_count_twice():
    problem = answer_rules.first_problem({**PLAIN, "author": "\N{ROCKET}" * 39})

    assert problem == "author has 78 columns; shorten it to 77"


@pytest.mark.parametrize(
    "answers",
    [
        {"author": "x" * 77},
        {"author": "\N{ROCKET}" * 38},
        {"author": "\N{CYRILLIC CAPITAL LETTER ZHE}" * 77},
        {"author": "Teh Corp # noqa: E501 # fmt: off # type: ignore"},  # codespell:ignore teh
        {"charm_name": "teh-nd-charm"},  # codespell:ignore teh,nd
    ],
    ids=lambda answers: next(iter(answers)),
)
def test_the_charm_s_own_linters_take_names_as_they_are(
    tmp_path: pathlib.Path, answers: dict[str, str]
):
    charm = baking.bake(matrix.functional()[0], tmp_path, copyright_year="2024-2026", **answers)

    for linter in (["ruff", "check"], ["ruff", "format", "--check"], ["codespell"]):
        result = command.run(*linter, cwd=charm)
        assert result.returncode == 0, result.stdout


@QUICK
@hypothesis.given(ANY_ANSWERS)
def test_a_rejection_is_one_line_and_names_the_question(answers: dict[str, str]):
    problem = answer_rules.first_problem({"charm_name": "fixture", **answers})

    hypothesis.assume(problem)
    assert problem and problem.isprintable()
    assert problem.split()[0] in answers


@QUICK
@hypothesis.given(ANY_URL)
def test_charmcraft_takes_every_accepted_address(address: str):
    hypothesis.assume(accepted({"repository_url": address}))

    for link in (address, f"{address}/issues"):
        assert LINKS.validate_python({"source": link, "issues": link, "documentation": link})


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/example/my-app",
        "http://localhost:8080/x",
        "https://git.example:30443/~me/x.git;a=b&c=%20",
        "https://Example.COM",
    ],
)
def test_a_usual_address_is_accepted(address: str):
    assert accepted({"repository_url": address})


@pytest.mark.parametrize(
    "address",
    [
        "github.com/example/x",
        "git@github.com:example/x",
        "ssh://git@example.com/x",
        "https://user:secret@example.com/x",
        "javascript:alert(1)",
        "https://example.5/x",
        "https://xn--a/x",
        "https://example.com:99999/x",
        "https://example.com/a b",
        'https://example.com/"',
        "https://example.com/?q=x",
        "https://example.com/#x",
        "https://",
    ],
)
def test_what_is_no_plain_address_is_rejected(address: str):
    problem = answer_rules.first_problem({**PLAIN, "repository_url": address})

    assert problem == (
        "repository_url is not a plain web address; type one such as https://github.com/org/my-app"
    )


@pytest.mark.parametrize("question", ["title", "summary", "author", "contact", "copyright_year"])
@pytest.mark.parametrize("text", UNFIT)
def test_an_unprintable_or_padded_text_is_rejected(question: str, text: str):
    assert not accepted({**PLAIN, question: text})


@pytest.mark.parametrize("author", ["coding: utf-16", "-*- coding:latin-1 -*-", "encoding=utf-7"])
def test_an_author_does_not_declare_the_encoding_of_python_files(author: str):
    problem = answer_rules.first_problem({**PLAIN, "author": author})

    assert problem and "encoding declaration" in problem


@WHOLE
@hypothesis.given(answers=ANY_ANSWERS, variant=st.sampled_from(matrix.functional()))
def test_the_python_api_bakes_texts_as_typed_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[str, str], variant: dict[str, str]
):
    output = tmp_path_factory.mktemp("output")
    everything = {"charm_name": "fixture", **answers, **variant, "license": "Apache-2.0"}

    try:
        charm = main.cookiecutter(
            str(matrix.TEMPLATE), no_input=True, extra_context=everything, output_dir=str(output)
        )
    except exceptions.FailedHookException as rejection:
        # Jinja reads a carriage return as a new line.
        read_as = {key: re.sub("\r\n?", "\n", text) for key, text in everything.items()}
        assert str(rejection) == answer_rules.first_problem(read_as)
        assert command.tree(output) == {}
    else:
        assert accepted(everything)
        assert_holds(read(pathlib.Path(charm)), answers, {**variant, "license": "Apache-2.0"})


# The system passes no null byte, and no half of a surrogate pair, on a command line or a pipe.
PASSABLE = st.one_of(
    st.sampled_from([text for text in (*TEXTS, *UNFIT) if "\0" not in text]),
    st.text("ab\"'\\#:%{}<>- ", min_size=1, max_size=45),
    st.text(
        st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=45
    ),
)
PASSABLE_ANSWERS = st.fixed_dictionaries(
    dict.fromkeys(("title", "summary", "author", "contact"), PASSABLE)
)
LICENSED = {**matrix.functional()[0], "license": "Apache-2.0"}


@WHOLE
@hypothesis.given(answers=PASSABLE_ANSWERS)
def test_the_command_bakes_texts_as_typed_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[str, str]
):
    output = tmp_path_factory.mktemp("output")
    everything = {**PLAIN, **answers, **LICENSED}

    result = baking.by_command(output, everything)

    if result.returncode:
        # Jinja reads a carriage return as a new line.
        read_as = {key: re.sub("\r\n?", "\n", text) for key, text in everything.items()}
        assert result.stdout == f"{answer_rules.first_problem(read_as)}\n"
        assert command.tree(output) == {}
    else:
        assert accepted(everything)
        assert_holds(read(output / "fixture"), everything, LICENSED)


@WHOLE
@hypothesis.given(answers=PASSABLE_ANSWERS)
def test_prompts_bake_texts_as_typed_or_ask_again(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[str, str]
):
    output = tmp_path_factory.mktemp("output")
    # A line ends an answer, and an empty answer is the default.
    hypothesis.assume(
        all(len(text.splitlines()) == 1 and text.strip() for text in answers.values())
    )
    fit = {key: text.strip() for key, text in answers.items() if accepted({key: text.strip()})}
    everything = {**PLAIN, **fit, **LICENSED}

    result = baking.by_prompts(
        output,
        {**everything, **{key: [text, PLAIN[key]] for key, text in answers.items()}, **fit},
    )

    assert result.returncode == 0, result.stdout
    for question in answers.keys() - fit:
        assert (
            str(answer_rules.first_problem({**PLAIN, question: answers[question].strip()}))
            in result.stdout
        )
    assert_holds(read(output / "fixture"), everything, LICENSED)


@pytest.mark.parametrize("how", ["api", "command", "prompts"])
@pytest.mark.parametrize(
    "question", ["title", "repository_url", "copyright_year", "__python", "__check_title"]
)
def test_the_template_s_own_text_is_a_text_in_another_answer(
    tmp_path: pathlib.Path, question: str, how: str
):
    """Neither another question's default nor the folder's name is evaluated there."""
    answers = {**PLAIN, "title": FOLDER.name, "contact": str(matrix.CONTEXT[question]), **LICENSED}

    if how == "api":
        baking.bake({}, tmp_path, **answers)
    else:
        bake = baking.by_command if how == "command" else baking.by_prompts
        assert bake(tmp_path, answers).returncode == 0

    assert_holds(read(tmp_path / "fixture"), answers, LICENSED)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        *itertools.product(["command", "prompts"], CODE[:3]),
        *itertools.product(["api"], CODE),
    ],
)
def test_code_shaped_answers_are_text(tmp_path: pathlib.Path, how: str, code: str):
    """In no hook, file or expression; a contact is the longest text that every file may hold."""
    touched = tmp_path / "touched"
    contact = code.format(touch=f"touch {shlex.quote(str(touched))}")
    answers = {**PLAIN, "contact": contact, **LICENSED}

    if how == "command":
        assert baking.by_command(tmp_path, answers).returncode == 0
    elif how == "prompts":
        assert baking.by_prompts(tmp_path, answers).returncode == 0
    else:
        main.cookiecutter(
            str(matrix.TEMPLATE), no_input=True, extra_context=answers, output_dir=str(tmp_path)
        )

    assert not touched.exists()
    assert_holds(read(tmp_path / "fixture"), answers, LICENSED)


def test_code_in_a_name_is_not_run_either(tmp_path: pathlib.Path):
    touched = tmp_path / "touched"
    name = CODE[0].format(touch=f"touch {touched}")

    result = baking.by_command(tmp_path, {"charm_name": name})

    assert result.returncode == 1
    assert command.tree(tmp_path) == {}
