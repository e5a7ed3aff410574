"""What people read on a terminal: lines that fit, commands that can be copied and work from where the person is."""

from __future__ import annotations

import io
import os
import shlex
import shutil

import pytest
import typer

from fedcli.cli import commands, wrapping
from fedcli.cli.commands import in_workspace, spans
from fedcli.cli.main import app
from fedcli.cli.page import fitted
from fedcli.cli.wrapping import columns, wrap
from fedcli.study.draft import draft
from fedcli.workflow.explain import explain
from tests.workflow.play import BINARY, REGISTRY, agreement, command

DIGITS = "11111 22222 33333 44444 55555 66666"


@pytest.fixture
def narrow(monkeypatch):
    """Let every stream be a terminal of 60 columns."""
    monkeypatch.setattr(wrapping, "columns", lambda stream: 60)


# ---- wrapping ------------------------------------------------------------------------------------------------------


def test_words_wrap_under_the_margin_and_none_is_lost():
    text = "fedcli: hint: " + "word " * 40
    lines = wrap(text, 60, indent=8).split("\n")
    assert max(map(len, lines)) <= 60
    assert all(line.startswith(" " * 8 + "w") for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == text.strip()


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_command_is_never_broken_and_stands_alone_where_it_does_not_fit(width):
    typed = "fedcli join heart.fedstudy --key 'my keys/north.fedkey' --data north.csv"
    lines = wrap(f"as the first step, read the agreement: {typed} and then call them", width, indent=6).split("\n")
    assert lines.index(f"      {typed}") > 0
    assert lines[-1] == "      and then call them"


def test_digits_to_compare_stay_on_one_line():
    assert f"    {DIGITS}, not" in wrap(f"the fingerprint of silo 'north' is {DIGITS}, not the one", 50, indent=4)


def test_errors_hints_and_verdicts_fit_the_terminal(narrow, town):
    place = town("drafted")
    for words in (
        ("study", "add-silo", place.public("stranger"), "-C", place.registry, "--fingerprint", DIGITS),
        ("train",),
        ("explain", "no such page of fedcli, however long one looks for it among all the others"),
        ("verify", place.table("north")),
        ("explain", "journey"),
    ):
        done = command(*words)
        typed = [line.strip() for line in (done.out + done.err).splitlines() if len(line) > 60]
        # Paths of the test's own folder are long; code of a page is left as it is.
        assert all("/" in line or line.startswith(("fedcli ", "sex:", "chol:", "table:")) for line in typed), typed


def test_without_a_terminal_a_message_is_one_line(town):
    place = town("drafted")
    done = command("study", "add-silo", place.public("stranger"), "-C", place.registry, "--fingerprint", DIGITS)
    assert [line[:12] for line in done.err.splitlines()] == ["fedcli: erro", "fedcli: hint"]
    assert max(map(len, command("explain", "journey").out.splitlines())) > 110


def test_the_width_is_the_terminals_own_within_what_reads_well(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return 7

    assert columns(io.StringIO()) is None
    for asked, real, width in (("72", 90, 72), ("", 90, 90), ("", 300, 100), ("", 3, 20), ("wide", 90, 90)):
        monkeypatch.setenv("COLUMNS", asked)
        monkeypatch.setattr(os, "get_terminal_size", lambda number, real=real: os.terminal_size((real, 24)))
        assert columns(Terminal()) == width


def test_a_page_keeps_its_tables_lists_and_code():
    page = (
        "# Title\n\nA paragraph that goes\non and on.\n\n- one item\n  that goes on\n- two\n\n"
        "| a | b |\n|---|---|\n| x | many words in one cell |\n\n```\nsome code  # and a remark on it\n```"
    )
    assert fitted(page, 24).split("\n") == [
        "# Title",
        "",
        "A paragraph that goes on",
        "and on.",
        "",
        "- one item that goes on",
        "- two",
        "",
        "a  b",
        "-  ---------------------",
        "x  many words in one",
        "   cell",
        "",
        "```",
        "# and a remark on it",
        "some code",
        "```",
    ]


@pytest.mark.parametrize("name", ["journey", "threats", "errors", "glossary", "estimators", "decisions", "format"])
def test_a_page_loses_no_word_on_a_narrow_terminal(name):
    def words(text: str) -> list[str]:
        return sorted("".join(c for c in text if c.isalnum()))

    page = explain(name).text
    assert words(fitted(page, 80)) == words(page)


# ---- commands ------------------------------------------------------------------------------------------------------


def test_every_command_is_recognised_in_a_sentence():
    def names(found, typed=""):
        below = getattr(found, "commands", None)
        if below is None:
            return {typed.strip()}
        return {name for word, inner in below.items() for name in names(inner, f"{typed} {word}")}

    known = names(typer.main.get_command(app))
    assert known == commands.NAMES


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("then: fedcli train", ["fedcli train"]),
        ("run 'fedcli study init' or 'fedcli join' first", ["fedcli study init", "fedcli join"]),
        ("fedcli export out/a-r4.fedmodel --format json, then wait", ["fedcli export out/a-r4.fedmodel --format json"]),
        ("a newer fedcli wrote it", []),
        ("if so, run: chmod 600 'my key.fedkey'", ["chmod 600 'my key.fedkey'"]),
        ("fedcli study add-silo NAME.fedpub on each (fedcli explain E508)", None),
    ],
)
def test_a_command_ends_where_prose_begins(text, found):
    if found is None:
        found = ["fedcli study add-silo NAME.fedpub", "fedcli explain E508"]
    assert [text[start:end] for start, end in spans(text)] == found


def test_a_workspace_is_named_where_the_command_acts_on_one(tmp_path):
    silo, registry = tmp_path / "my silo", tmp_path / "registry"
    for folder in (silo, registry):
        folder.mkdir()
    (registry / "coordinator.yaml").write_text("")
    quoted = shlex.quote(str(silo))
    assert in_workspace("fedcli train --dry-run", silo) == f"fedcli train --dry-run -C {quoted}"
    assert in_workspace("they run: fedcli train", registry) == "they run: fedcli train"
    assert in_workspace("fedcli status -C there", silo) == "fedcli status -C there"
    assert in_workspace("fedcli export a.fedmodel", registry) == "fedcli export a.fedmodel"
    assert in_workspace("fedcli aggregate, then fedcli status", registry) == (
        f"fedcli aggregate -C {registry}, then fedcli status -C {registry}"
    )
    assert in_workspace("fedcli train", registry.parent / "x" / "..").startswith("fedcli train -C")
    asked = shlex.quote("select * from v where sick = 'yes' or sick = 'no'")
    assert in_workspace(f"fedcli train t.db --query {asked}", silo) == f"fedcli train t.db --query {asked} -C {quoted}"


def _proposed(said: str) -> list[str]:
    """Return the arguments of the last command that was proposed."""
    text = " ".join(said[said.index("Next:") :].split())
    start, end = spans(text)[-1]
    return shlex.split(text[start:end])[1:]


def test_each_next_command_works_from_where_the_person_is(town, monkeypatch):
    place = town("keys")
    monkeypatch.chdir(place.root)
    monkeypatch.setenv("FEDCLI_PASSPHRASE_FILE", str(place.passphrase))
    folder = "north/my study"
    done = command("study", "init", "registry/new study", "--key", f"{REGISTRY}/{REGISTRY}.fedkey")
    (place.root / "registry/new study/study.yaml").write_text(agreement())
    words = _proposed(done.err)
    for name in ("north", "east", "south"):
        digits = place.secrets[name].public_identity().fingerprint
        enrolled = [f"{name}/{name}.fedpub" if word == "NAME.fedpub" else word for word in words]
        done = command(*enrolled, "--fingerprint", digits)
        assert done.status == 0, done.err
    assert command(*_proposed(done.err)).status == 0
    digits = command("study", "show", "-C", "registry/new study", "--json").json["fingerprint"]
    study = "registry/new study/outbox/heart.fedstudy"
    where = ("--key", "north/north.fedkey", "--data", "north/table.csv", "-C", folder, "--fingerprint", digits)
    done = command("join", study, *where)
    for _ in range(2):  # check, then train
        words = _proposed(done.err)
        assert words[-2:] == ["-C", folder]
        done = command(*words, *(["--yes"] if words[0] == "train" else []))
        assert done.status == 0, done.err
    assert (place.root / folder / "outbox/heart-north-r1.fedupdate").exists()
    shutil.rmtree(place.root / folder / "outbox")
    (place.root / folder / "outbox").mkdir()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_table_as_spreadsheets_write_it_can_be_named_to_train_as_to_check(encoding, town):
    place = town("joined")
    other = place.root / "exported.csv"
    other.write_text(place.table("north").read_text(), encoding=encoding)
    where = "-C", place.silo("north")
    for done in (command("check", other, *where), place.run("train", other, "--dry-run", *where)):
        assert done.status == 0, done.err


def test_a_table_that_was_named_is_named_in_the_next_command(town):
    place = town("joined")
    other = place.root / "other table.csv"
    shutil.copy(place.table("north"), other)
    done = command("check", other, "-C", place.silo("north"))
    assert _proposed(done.err) == ["train", str(other), "-C", str(place.silo("north"))]
    done = place.run("train", other, "-C", place.silo("north"), "--dry-run")
    assert _proposed(done.err)[:2] == ["train", str(other)]


def test_a_hint_names_the_workspace_too(town):
    place = town("drafted")
    (place.registry / "keys" / "north.fedpub").unlink()
    done = place.run("study", "freeze", "-C", place.registry)
    assert f"fedcli study add-silo -C {place.registry}" in done.err


def test_a_new_key_says_what_each_does_next(town):
    place = town("keys")
    done = place.run("keys", "new", "west", "-o", place.root / "west")
    silo, coordinator = done.err.split("Next:")[1].strip().splitlines()
    assert silo.startswith("as a silo, send west.fedpub")
    assert coordinator.strip().startswith("as the coordinator, begin a study: fedcli study init")


# ---- words ---------------------------------------------------------------------------------------------------------


def test_the_outcome_is_said_once_where_its_spelling_is_the_word(town):
    target = "{column: disease, type: binary, positive: %s, negative: %s}"
    for positive, negative, said in (
        ('"yes"', '"no"', "disease: yes or no\n"),
        ("ill", '"No"', "disease: yes (ill) or no\n"),
        ("ill", "well", "disease: yes (ill) or no (well)\n"),
    ):
        place = town("drafted", text=agreement(target=target % (positive, negative)))
        assert said in command("study", "show", "-C", place.registry).out
    assert "positive: ill, negative: well" in BINARY


def test_the_draft_asks_for_units_and_for_the_reference_level():
    lines = draft("heart", "").splitlines()
    assert next(line for line in lines if line.startswith("  sex:")).endswith("# put the reference level first")
    assert "unit: years" in next(line for line in lines if line.startswith("  age:"))


@pytest.mark.parametrize("word", ["missing", "impute", "unit"])
def test_the_glossary_has(word):
    assert explain(word).text.startswith(f"## {word}\n")


@pytest.mark.parametrize(
    ("asked", "near"), [("coordinater", "coordinator"), ("E44", "E404"), ("finger", "fingerprint"), ("chmod", "E308")]
)
def test_an_unknown_topic_is_answered_with_what_is_near(asked, near, town):
    done = command("explain", asked)
    assert (done.status, "did you mean" in done.err, near in done.err) == (3, True, True)
