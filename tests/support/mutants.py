"""Make mistakes in a charm's source, found by its syntax, so that they follow a refactoring."""

from __future__ import annotations

import ast
import collections
import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

# What to write in place of some parts of a module; the first says where the mistake is.
Edit = list[tuple[ast.AST, str]]
OPPOSITES: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Lt: ("<=", ">"),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<"),
    ast.GtE: (">", "<"),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
}
LEAVING_OUT = ("definitions", "observed events")  # They take a part of something long away.
# What holds a password, wherever it is called or read.
SECRET = {"credentials", "get_content", "peek_content", "render", "CREDENTIALS"}


class Mutant(NamedTuple):
    """A module with one mistake."""

    file: str
    name: str  # The function, and what has become of what.
    source: str


class Module:
    """A module's syntax, and the text of each part of it."""

    def __init__(self, source: str):
        self.source = source
        self.tree = ast.parse(source)
        self.parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }
        self._starts = [0, *itertools.accumulate(len(s.encode()) for s in source.splitlines(True))]

    def text(self, node: ast.AST) -> str:
        """Return what is written for a part."""
        return ast.get_source_segment(self.source, node) or ""

    def all(self, *kinds: type[ast.AST]) -> Iterator:
        """Return all parts of these kinds, in the order in which they are written."""
        found = (node for node in ast.walk(self.tree) if isinstance(node, kinds))
        return iter(sorted(found, key=position))

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Return the calls of functions and methods of these names, or all."""
        return (call for call in self.all(ast.Call) if not names or name(call.func) in names)

    def owner(self, node: ast.AST, kind: type[ast.AST]) -> ast.AST | None:
        """Return the innermost part of a kind that a part is in."""
        owner = self.parents.get(node)
        return owner if owner is None or isinstance(owner, kind) else self.owner(owner, kind)

    def function(self, node: ast.AST) -> str:
        """Return the name of the function that a part is in, or an empty text."""
        return getattr(self.owner(node, ast.FunctionDef), "name", "")

    def blocks(self) -> Iterator[list[ast.stmt]]:
        """Return each sequence of statements in a function that isn't __init__."""
        for node in self.all(ast.FunctionDef, ast.If, ast.For, ast.With, ast.Try):
            if "__init__" not in (self.function(node), getattr(node, "name", "")):
                for field in ("body", "orelse", "finalbody"):
                    if self.function(node) or isinstance(node, ast.FunctionDef):
                        yield getattr(node, field, [])

    def edited(self, edit: Edit) -> str:
        """Return the source with some parts replaced."""
        text = self.source.encode()
        for node, new in sorted(edit, key=lambda each: position(each[0]), reverse=True):
            start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore
            end = self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore
            text = text[:start] + new.encode() + text[end:]
        return text.decode()


KINDS: dict[str, Callable[[Module], Iterator[Edit]]] = {}


def kind(function: Callable[[Module], Iterator[Edit]]) -> Callable[[Module], Iterator[Edit]]:
    """Register a kind of mistake."""
    KINDS[function.__name__.replace("_", " ")] = function
    return function


def make(kind: str, sources: dict[str, str]) -> list[Mutant]:
    """Make all mutants of a kind, of the source of each file."""
    mutants: list[Mutant] = []
    for file, source in sources.items():
        module = Module(source)
        for edit in KINDS[kind](module):
            node, new = edit[0]
            function = getattr(node, "name", "") or module.function(node)
            setting = module.owner(node, ast.AnnAssign)
            function += module.text(getattr(setting, "target", ast.Pass())) if setting else ""
            old = " ".join(module.text(node).split())
            if function or not isinstance(node, ast.If):
                change = f"{old[:60]} -> {' '.join(new.split())[:90]}"
                if kind in LEAVING_OUT:
                    words = (re.findall(r"[^\s,(){}]+", text) for text in (old, new))
                    before, after = map(collections.Counter, words)
                    change = f"without {' '.join(before - after)}"
                mutants.append(Mutant(file, f"{file} {function}: {change}", module.edited(edit)))
                ast.parse(mutants[-1].source)
    return mutants


def position(node: ast.AST) -> tuple[int, int]:
    """Return where a part is."""
    return node.lineno, node.col_offset  # type: ignore[attr-defined]


def name(node: ast.AST) -> str:
    """Return the last part of a dotted name."""
    return getattr(node, "attr", getattr(node, "id", ""))


def names(node: ast.AST) -> set[str]:
    """Return all names that a part reads, writes or calls."""
    return {name(each) for each in ast.walk(node)} - {""}


def context(node: ast.AST) -> ast.AST | None:
    """Return how a name is used."""
    return getattr(node, "ctx", None)


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring."""
    return isinstance(getattr(statement, "value", None), ast.Constant)


def is_call(statement: ast.stmt) -> bool:
    """Whether a statement calls something, and not to write to the log."""
    value = getattr(statement, "value", None)
    calls = isinstance(statement, ast.Expr) and isinstance(value, ast.Call)
    return calls and "logger" not in names(statement)


def before(module: Module, node: ast.stmt, statement: str) -> tuple[ast.AST, str]:
    """Write a statement before another one."""
    return node, f"{statement}\n{' ' * node.col_offset}{module.text(node)}"


def after(module: Module, node: ast.stmt, statement: str) -> tuple[ast.AST, str]:
    """Write a statement after another one."""
    return node, f"{module.text(node)}\n{' ' * node.col_offset}{statement}"


@kind
def guards(module: Module) -> Iterator[Edit]:
    """Take a guard away, or turn it round."""
    for call in module.calls("is_leader"):
        yield [(call, "True")]
        yield [(call, "False")]
    for call in module.calls("require_leader"):
        yield [(call, "None")]


@kind
def stale_guards(module: Module) -> Iterator[Edit]:
    """Ask for leadership too early, or ask the databag."""
    for call in module.calls("is_leader"):
        assert isinstance(call.func, ast.Attribute)
        unit = module.text(call.func.value)
        own = "_published" in {function.name for function in module.all(ast.FunctionDef)}
        published = "self._published" if own else "self.leadership._published"
        yield [(call, f'({published}.get("leader") == {unit}.name)')]
        cls = module.owner(call, ast.ClassDef)
        (init,) = (f for f in getattr(cls, "body", []) if getattr(f, "name", "") == "__init__")
        early = f"self._early = {module.text(call)}"
        yield [(call, "self._early"), after(module, init.body[-1], early)]


@kind
def comparisons(module: Module) -> Iterator[Edit]:
    """Turn a comparison round, or move its bound."""
    for compare in module.all(ast.Compare):
        for opposite in OPPOSITES[type(compare.ops[0])]:
            left, right = module.text(compare.left), module.text(compare.comparators[0])
            yield [(compare, f"{left} {opposite} {right}")]


@kind
def conditions(module: Module) -> Iterator[Edit]:
    """Decide always alike, or forget a part of what decides."""
    for node in module.all(ast.If, ast.IfExp):
        yield [(node.test, "True")]
        yield [(node.test, "False")]
    for node in module.all(ast.BoolOp):
        operator = " and " if isinstance(node.op, ast.And) else " or "
        for value in node.values:
            rest = [module.text(each) for each in node.values if each is not value]
            yield [(node, f"({operator.join(rest)})")]


@kind
def marks(module: Module) -> Iterator[Edit]:
    """Let a setting reach the workload in another way."""
    for keyword in module.all(ast.keyword):
        if keyword.arg == "metadata":
            for mark in {"LIVE", "RESTART", "WRITTEN"} - {name(keyword.value)}:
                yield [(keyword.value, mark)]


@kind
def arguments(module: Module) -> Iterator[Edit]:
    """Leave an argument out, or open a file to others."""
    for call in module.calls():
        if name(call.func) in ("Settings", "replace"):
            continue
        for keyword in call.keywords:
            rest = [each for each in (*call.args, *call.keywords) if each is not keyword]
            if keyword.arg not in (None, "metadata"):
                inner = ", ".join(module.text(each) for each in rest)
                yield [(call, f"{module.text(call.func)}({inner})")]
    for constant in module.all(ast.Constant):
        if constant.value == 0o600:
            yield [(constant, "0o644")]


@kind
def statements(module: Module) -> Iterator[Edit]:
    """Leave out what a statement does."""
    for statement in itertools.chain.from_iterable(module.blocks()):
        target = getattr(statement, "targets", [None])[0]
        if (
            is_call(statement)
            or isinstance(statement, ast.Raise)
            or (isinstance(statement, ast.Return) and statement.value is None)
            or isinstance(target, (ast.Attribute, ast.Subscript))
        ):
            yield [(statement, "pass")]


@kind
def order(module: Module) -> Iterator[Edit]:
    """Do two things the other way round."""
    for block in module.blocks():
        for first, second in itertools.pairwise(block):
            stored = {name(n) for n in ast.walk(first) if isinstance(context(n), ast.Store)}
            ends = any(isinstance(n, (ast.Return, ast.Raise)) for n in ast.walk(second))
            logs = "logger" in names(first) | names(second)
            if not (stored & names(second) or ends or is_text(first) or logs):
                yield [(first, module.text(second)), (second, module.text(first))]


@kind
def swallowed_errors(module: Module) -> Iterator[Edit]:
    """Go on though something failed, or expect another error."""
    for statement in itertools.chain.from_iterable(module.blocks()):
        if is_call(statement) and "event" not in names(statement):
            indent = " " * statement.col_offset
            lines = ("try:", f"    {module.text(statement)}", "except Exception:", "    pass")
            yield [(statement, f"\n{indent}".join(lines))]
    handled = [handler.type for handler in module.all(ast.ExceptHandler)]
    for node in [*handled, *(call.args[0] for call in module.calls("suppress"))]:
        yield [(node, "Exception")]
        yield [(node, "ZeroDivisionError")]


def credentials(module: Module) -> str:
    """Return what the module calls the credentials."""
    functions = {function.name for function in module.all(ast.FunctionDef)}
    return "self.credentials" if "credentials" in functions else "self.leadership.credentials"


@kind
def logged_secrets(module: Module) -> Iterator[Edit]:
    """Log the credentials, at the start of a function or where it gets them."""
    knows = {"credentials", "leadership"} & names(module.tree)
    for function in module.all(ast.FunctionDef):
        body = [each for each in function.body if not is_text(each)]
        # Properties are what the credentials are made from, as is what makes no use of the unit.
        used = {each if each in ("_unit", "_app") else each[-5:] for each in names(function)}
        is_plain = not function.decorator_list and function.name != "__init__"
        if knows and is_plain and used & {"_unit", "_app", "Event"}:
            yield [before(module, body[0], f'logger.info("%s", {credentials(module)})')]
        for argument in function.args.args:
            if argument.annotation and name(argument.annotation) == "Settings":
                yield [before(module, body[0], f'logger.info("%s", vars({argument.arg}))')]
        for statement in ast.walk(function):
            target = getattr(statement, "targets", [None])[0]
            if isinstance(target, ast.Name) and SECRET & names(statement):
                yield [after(module, statement, f'logger.info("%s", {target.id})')]  # type: ignore


@kind
def shown_secrets(module: Module) -> Iterator[Edit]:
    """Show the credentials in a result, a message, a status, a databag, a file or a command."""
    secret = f"str({credentials(module)})"
    for call in module.calls("set_results", "update"):
        yield [(call.args[0], f'{module.text(call.args[0])} | {{"x": {secret}}}')]
    for call in module.calls("fail"):
        yield [(call.args[0], f"{module.text(call.args[0])} + {secret}")]
    for call in module.calls("ActiveStatus", "WaitingStatus", "MaintenanceStatus"):
        text = module.text(call.args[0]) if call.args else '""'
        yield [(call, f"{module.text(call.func)}({text} + {secret})")]
    for call in module.calls("_write"):
        statement = module.parents[call]
        path, text = map(module.text, call.args)
        if isinstance(statement, ast.Expr):
            copy = f'{path}.with_name("copy").write_text({text})'
            yield [after(module, statement, copy)]
            yield [after(module, statement, f"self.run([*VERSION_COMMAND, {text}])")]


@kind
def options(module: Module) -> Iterator[Edit]:
    """Take another value of an option, or refuse one."""
    for constant in module.all(ast.Tuple):
        if (
            all(isinstance(each, ast.Constant) for each in constant.elts)
            and len(constant.elts) > 2
        ):
            for element in constant.elts:
                rest = [module.text(each) for each in constant.elts if each is not element]
                yield [(constant, f"({', '.join(rest)})")]
    for compare in module.all(ast.Compare):
        if getattr(module.owner(compare, ast.ClassDef), "name", "") == "Config":
            left, right = module.text(compare.left), module.text(compare.comparators[0])
            yield [(compare.left, f"{left}.lower()")]
            yield [(compare, f"not any(each.startswith({left}) for each in {right})")]
            yield [(compare, f"not any(each in {left} for each in {right})")]


@kind
def observed_events(module: Module) -> Iterator[Edit]:
    """Leave an event unobserved."""
    for loop in module.all(ast.For):
        if isinstance(loop.iter, ast.Tuple):
            for element in loop.iter.elts:
                rest = [module.text(each) for each in loop.iter.elts if each is not element]
                yield [(loop.iter, f"({', '.join(rest)})")]
    for call in module.calls("observe"):
        if not isinstance(module.owner(call, ast.For), ast.For):
            yield [(call, "None")]


@kind
def definitions(module: Module) -> Iterator[Edit]:
    """Leave a line out of the service's definition, or an entry out of a table."""
    for assign in module.tree.body:
        if not isinstance(assign, ast.Assign):
            continue
        for node in ast.walk(assign):
            if isinstance(node, ast.Constant) and "\n" in str(node.value):
                lines = module.text(node).splitlines()
                for number, line in enumerate(lines[1:-1], 1):
                    if line and not line.startswith("["):
                        yield [(node, "\n".join(lines[:number] + lines[number + 1 :]))]
            elif isinstance(node, ast.Dict):
                pairs = list(zip(node.keys, node.values, strict=True))
                for pair in pairs if len(pairs) > 1 else []:
                    rest = [p for p in pairs if p is not pair]
                    items = (
                        f"{module.text(key)}: {module.text(value)}" for key, value in rest if key
                    )
                    yield [(node, f"{{{', '.join(items)}}}")]
