"""The rules of the house: what every file of fedcli must be, whoever wrote it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from fedcli.errors import all_errors
from fedcli.errors.doubts import all_doubts

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "fedcli"
DOCS = SOURCE / "docs"
MODULES = sorted(SOURCE.rglob("*.py"))
PAGES = sorted(DOCS.glob("*.md"))

# The words that the glossary replaces. 'model', 'hash', 'plan', 'weights' and 'gradient' have honest uses, and so are
# left to the reader.
REPLACED = re.compile(
    r"\b(clients?|sites?|servers?|aggregators?|nodes?|epochs?|checkpoints?|contributions?|uploads?|uploaded|strateg(?:y|ies)"
    r"|jobs?|global weights|participants?)\b",
    re.IGNORECASE,
)
PRINTING = {"print", "input", "exit", "quit", "sys.exit"}
DANGEROUS_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "tarfile", "zipfile"} | {
    "socket",
    "urllib",
    "http",
    "requests",
}
DANGEROUS_CALLS = {"eval", "exec", "np.load", "numpy.load", "yaml.load", "yaml.unsafe_load", "__import__"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def commands() -> dict[str, click.Command]:
    """Every command by what is typed, without its first word."""
    app = typer.main.get_command(importlib.import_module("fedcli.cli.main").app)

    def walk(command: object, typed: str) -> Iterator[tuple[str, click.Command]]:
        # Looked at by what it has: typer may carry its own copy of click's classes.
        below = getattr(command, "commands", None)
        if below is None:
            yield typed, command  # type: ignore[misc]
            return
        for word, inner in below.items():
            yield from walk(inner, f"{typed} {word}".strip())

    return dict(walk(app, ""))


def test_every_module_says_what_it_owns() -> None:
    assert not [name(path) for path in MODULES if not ast.get_docstring(tree(path))]


def test_every_module_is_short_enough_to_read() -> None:
    sizes = {name(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert not {path: lines for path, lines in sizes.items() if lines > 400}


def test_only_the_command_line_prints_or_exits() -> None:
    silent = [path for path in MODULES if room(path) != "cli"]
    found = {name(path): {function for function, _ in calls(path)} & PRINTING for path in silent}
    assert not {path: functions for path, functions in found.items() if functions}


def test_nothing_loads_code_from_files_or_opens_a_connection() -> None:
    found = {}
    for path in MODULES:
        imported = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(str(node.module).partition(".")[0])
        bad = imported & DANGEROUS_MODULES | {function for function, _ in calls(path)} & DANGEROUS_CALLS
        if bad:
            found[name(path)] = bad
    assert not found


def test_rooms_below_workflow_read_neither_clock_nor_environment_nor_chance() -> None:
    found = {}
    for path in MODULES:
        # crypto draws its keys and nonces itself.
        if room(path) in {"cli", "workflow", "crypto"}:
            continue
        text = ast.unparse(tree(path))
        bad = re.findall(r"\b(?:os\.environ|os\.getenv|time\.time|datetime\.now|secrets\.\w+|os\.urandom)\b", text)
        bad += [function for function, call in calls(path) if function.endswith("default_rng") and not call.args]
        if bad:
            found[name(path)] = bad
    assert not found


def test_public_functions_are_documented() -> None:
    """Each has a docstring; one with four parameters or more explains them in a section."""
    lacking = []
    for path in MODULES:
        if room(path) == "cli":  # there the options' own help explains them
            continue
        for node in tree(path).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            said = ast.get_docstring(node) or ""
            many = len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) > 3
            if not said or (many and not re.search(r"^Parameters\n-+$", said, re.MULTILINE)):
                lacking.append(f"{name(path)}: {node.name}")
    assert not lacking


def test_imports_run_one_way() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("heavy", ["numpy", "sklearn", "cryptography", "polars"])
def test_the_command_line_starts_without(heavy: str) -> None:
    ask = f"import fedcli.cli.main, sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", ask], cwd=ROOT, check=False).returncode == 0


def test_every_error_has_a_page_and_every_page_an_error() -> None:
    headings = re.findall(r"^## (E\d{3}) \S", (DOCS / "errors.md").read_text("utf-8"), re.MULTILINE)
    assert headings == list(all_errors()), "one section for each code, in their order"


def test_every_error_page_says_why_and_what_to_do() -> None:
    sections = re.split(r"^## ", (DOCS / "errors.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    short = [text[:4] for text in sections if "**Why.**" not in text or "**What to do.**" not in text]
    assert not short


def test_every_warning_has_a_page_and_every_page_a_warning() -> None:
    text = (DOCS / "warnings.md").read_text("utf-8")
    assert re.findall(r"^## (W\d{3}) \S", text, re.MULTILINE) == list(all_doubts())
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assert "**Why.**" in section, section[:4]
        assert "**What to do.**" in section, section[:4]


def test_error_codes_are_never_used_twice() -> None:
    text = "".join(path.read_text("utf-8") for path in sorted((SOURCE / "errors").glob("*.py")))
    codes = re.findall(r'code = "([EW][1-9]\d\d)"', text)
    assert codes
    assert len(codes) == len(set(codes))


def test_every_command_has_help_and_an_example() -> None:
    lacking = [typed for typed, command in commands().items() if "example" not in (command.help or "").lower()]
    assert not lacking


def test_help_uses_the_words_of_the_glossary() -> None:
    for typed, command in commands().items():
        said = [command.help or ""] + [getattr(parameter, "help", None) or "" for parameter in command.params]
        assert not REPLACED.findall(" ".join(said)), typed


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_headings_use_the_words_of_the_glossary(path: Path) -> None:
    headings = re.findall(r"^#+ .*$", path.read_text("utf-8"), re.MULTILINE)
    assert headings
    assert not REPLACED.findall("\n".join(headings))


def test_error_messages_use_the_words_of_the_glossary() -> None:
    classes = {cls.__name__ for cls in all_errors().values()}
    for path in MODULES:
        for function, call in calls(path):
            if function.rpartition(".")[2] not in classes:
                continue
            said = [
                node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            assert not REPLACED.findall(" ".join(said)), f"{name(path)}:{call.lineno}"


def test_error_messages_begin_small_and_end_without_a_stop() -> None:
    classes = {cls.__name__ for cls in all_errors().values()}
    for path in MODULES:
        for function, call in calls(path):
            if function.rpartition(".")[2] not in classes or not call.args:
                continue
            first = call.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                start = first.value.split(" ")[0]
                assert not re.fullmatch(r"[A-Z][a-z]+", start), f"{name(path)}:{call.lineno}"
                assert not first.value.endswith("."), f"{name(path)}:{call.lineno}"


def test_documentation_lines_are_short_enough_for_a_terminal() -> None:
    for path in [*PAGES, *ROOT.glob("*.md"), *(ROOT / "sample_silos").glob("*.md")]:
        long = [
            n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if len(line) > 124 and "|" not in line
        ]
        assert not long, f"{name(path)}: lines {long}"


def test_the_lock_names_no_host_and_no_path() -> None:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def test_every_dependency_is_in_the_lock() -> None:
    tomllib = importlib.import_module("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    assert {re.split(r"[><=\[ ]", entry)[0].lower() for entry in wanted} <= locked
