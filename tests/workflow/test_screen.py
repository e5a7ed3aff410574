"""What commands print and return: one object under --json, exit statuses, help pages, and hostile names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from fedcli.cli.main import app
from fedcli.errors import NotFrozen, UnknownTopic
from tests.workflow.play import REGISTRY, Town, added, command, sheets, snapshot

ROOT = Path(__file__).resolve().parents[2]


def commands() -> dict[str, object]:
    """Every command by what is typed, without its first word."""

    def walk(found: object, typed: str) -> Iterator[tuple[str, object]]:
        below = getattr(found, "commands", None)
        if below is None:
            yield typed, found
            return
        for word, inner in below.items():
            yield from walk(inner, f"{typed} {word}".strip())

    return dict(walk(typer.main.get_command(app), ""))


NAMES = sorted(commands())


def good(place: Town, name: str) -> list[object]:
    """Return words that succeed, for a town whose study is in its second round and for every command."""
    north, key = place.silo("north"), ("--passphrase-file", place.passphrase)
    new = place.root / "new"
    sheet = north / "review" / "heart-north-r1.sheet.txt"
    study_print = command("study", "show", place.study, "--json").json["fingerprint"]
    return {
        "keys new": ["west", "-o", new, *key],
        "keys show": [place.public("north")],
        "study init": [new / "study", "--key", place.key(REGISTRY)],
        "study add-silo": [],
        "study freeze": [],
        "study show": ["-C", place.registry],
        "join": [
            place.study,
            "--key",
            place.key("north"),
            "--data",
            place.table("north"),
            "-C",
            new,
            "--fingerprint",
            study_print,
            *key,
        ],
        "check": ["-C", north],
        "train": ["-C", north, "--yes", *key],
        "approve": [sheet, "--key", place.key("stranger"), "--yes", "-o", new / "a", *key],
        "ledger": ["-C", north],
        "aggregate": ["-C", place.registry, "--new-attempt", *key],
        "status": ["-C", north],
        "inspect": [place.study],
        "plan": [place.study],
        "verify": [place.study],
        "simulate": [],
        "explain": ["E404"],
        "predict": [place.table("north"), "--model", place.root / "final", "-o", new / "scores.csv"],
        "export": [place.root / "final", "-o", new / "model.json"],
    }[name]


@pytest.fixture
def place(town, stages) -> Town:
    """Return a town in its second round, with a finished study's model beside it."""
    made = town("second")
    (made.root / "new").mkdir()
    final = sorted((stages("finished").registry / "outbox").glob("*.fedmodel"))[-1]
    shutil.copy(final, made.root / "final")
    return made


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in ("study add-silo", "study freeze", "simulate", "keys new", "report")]
)
def test_json_is_one_object_and_nothing_else(name, place):
    done = command(*name.split(), *good(place, name), "--json")
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert done.out.count("\n") == 1
    assert (document["schema"], document["command"], document["ok"]) == (1, name, True)
    assert "Next:" not in done.err


@pytest.mark.parametrize("name", NAMES)
def test_json_is_one_object_also_on_failure(name, tmp_path):
    nowhere = tmp_path / "nowhere"
    words = {
        "keys new": ["North Hospital", "--passphrase-file", nowhere],
        "keys show": [nowhere],
        "study init": [tmp_path / "s", "--key", nowhere],
        "study add-silo": [nowhere, "-C", tmp_path],
        "study freeze": ["-C", tmp_path],
        "study show": [nowhere],
        "join": [nowhere, "--key", nowhere, "--data", nowhere, "-C", tmp_path],
        "check": ["-C", tmp_path],
        "train": ["-C", tmp_path],
        "approve": [nowhere, "--key", nowhere],
        "ledger": ["-C", tmp_path],
        "aggregate": ["-C", tmp_path],
        "status": ["-C", tmp_path],
        "inspect": [nowhere],
        "plan": [nowhere],
        "verify": [nowhere],
        "simulate": [nowhere],
        "explain": ["nothing"],
        "predict": [nowhere],
        "export": [nowhere],
        "report": [nowhere],
    }[name]
    done = command(*name.split(), *words, "--json")
    document = json.loads(done.out)
    assert (document["schema"], document["command"], document["ok"]) == (1, name, False)
    if name == "verify":
        assert (done.status, document["files"][0]["code"]) == (1, "E301")
    else:
        assert done.status == 3
        assert re.fullmatch(r"E3\d\d", document["error"]["code"])
        assert document["error"]["hint"]
        assert f"error[{document['error']['code']}]" in done.err
    assert snapshot(tmp_path) == {}


def test_json_names_every_update_that_is_refused(town):
    place = town("collected")
    for name in ("north", "south"):
        place.update(name).write_bytes(place.update(name).read_bytes()[:-10])
    done = place.run("aggregate", "-C", place.registry, "--json")
    document = done.json
    assert (done.status, document["error"]["code"]) == (4, "E404")
    assert [Path(file["file"]).name for file in document["files"]] == [
        "heart-north-r1.fedupdate",
        "heart-south-r1.fedupdate",
    ]


def test_json_of_a_check_that_says_no_holds_every_problem(town):
    place = town("joined")
    place.table("north").write_text(place.table("north").read_text().replace("sex", "gender", 1).replace("age", "a", 1))
    done = command("check", "-C", place.silo("north"), "--json")
    assert (done.status, done.json["ok"]) == (1, False)
    assert [problem["code"] for problem in done.json["problems"]] == ["E311", "E311"]


# ---- help ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_help_page_fits_and_ends_with_an_example(name):
    done = command(*name.split(), "--help")
    assert done.status == 0
    assert f"Example: fedcli {name}" in done.out
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert command(*name.split(), "-h").out == done.out


def test_the_first_page_names_every_command():
    done = command("--help")
    assert done.status == 0
    for name in NAMES:
        assert name.split()[0] in done.out
    assert re.fullmatch(r"fedcli \d+\.\d+\.\d+\n", command("--version").out)


# ---- exit statuses -------------------------------------------------------------------------------------------------


def test_status_0_everything_asked_was_done(town):
    assert command("verify", town("joined").study).status == 0


def test_status_1_the_answer_is_no(town):
    place = town("joined")
    assert command("verify", place.table("north")).status == 1
    place.table("north").write_text("age\n")
    assert command("check", "-C", place.silo("north")).status == 1


def test_status_1_the_person_declined(town, monkeypatch):
    place = town("joined")
    before = snapshot(place.root)
    monkeypatch.setattr("fedcli.cli.screen.Screen.interactive", True)
    monkeypatch.setattr("fedcli.cli.screen.Screen.ask", lambda self, question: False)
    done = place.run("train", "-C", place.silo("north"))
    assert done.status == 1
    assert "You said no: no update was written." in done.err
    assert "This is everything that would leave north" in done.err
    assert added(place.root, before) == sheets("north")


@pytest.mark.parametrize(
    "words",
    [
        ["trian"],
        ["train", "--no-such-option"],
        ["predict"],
        ["keys"],
        ["export", "--format", "pdf"],
        ["train", "--force=3"],
    ],
    ids=["command", "option", "argument", "group", "choice", "flag"],
)
def test_status_2_the_command_line_is_wrong(words):
    done = command(*words)
    assert done.status == 2
    assert "Traceback" not in done.err
    if words != ["keys"]:
        refused = json.loads(command(*words, "--json").out)
        assert (refused["ok"], refused["error"]["code"]) == (False, None)
        assert refused["error"]["message"]


def test_status_2_two_tables_are_one_too_many(town):
    place = town("joined")
    tables = (place.table("north"), place.table("east"))
    assert "two tables" in command("train", *tables, "-C", place.silo("north")).err
    assert command("train", place.study, place.study, "-C", place.silo("north")).status == 2


def test_status_3_a_file_is_wrong(tmp_path):
    assert command("inspect", tmp_path / "nowhere").status == 3


def test_status_4_a_file_was_changed(town):
    place = town("joined")
    data = bytearray(place.study.read_bytes())
    place.study.write_bytes(data[:-1])
    assert command("study", "show", place.study).status == 4


def test_status_5_the_rules_refuse(town):
    place = town("joined")
    assert place.run("train", "-C", place.silo("north")).status == 5


def test_status_6_a_file_does_not_fit(town):
    place = town("second")
    assert command("predict", place.table("north"), "--model", place.model(1)).status == 6


def test_status_7_the_mathematics_did_not_finish(town):
    from tests.workflow.play import agreement

    place = town(text=agreement(rules="max_rounds: 2"))
    place.round()
    place.collect()
    before = snapshot(place.root)
    done = place.run("aggregate", "-C", place.registry)
    assert (done.status, "error[E701]" in done.err) == (7, True)
    assert snapshot(place.root) == before


def test_status_70_a_bug_is_saved_without_the_values_of_variables(town, monkeypatch, tmp_path):
    place = town("joined")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    word = "".join(["sec", "ret"])

    def broken(*arguments: object, **options: object) -> None:
        row = f"{word}-row"
        raise ValueError(f"{len(row)} letters")

    monkeypatch.setattr("fedcli.workflow.check.check", broken)
    for extra in ((), ("--json",)):
        done = command("check", "-C", place.silo("north"), *extra)
        assert done.status == 70
        assert "this is a bug in fedcli: ValueError" in done.err
        assert "letters" not in done.err
        assert "Traceback" not in done.err
    assert (done.json["ok"], done.json["error"]["code"]) == (False, "E000")
    saved = sorted(tmp_path.glob("fedcli-bug-*.txt"))
    assert len(saved) == 2
    assert saved[0].stat().st_mode & 0o077 == 0
    assert "secret-row" not in saved[0].read_text()
    assert "ValueError" in saved[0].read_text()


@pytest.mark.parametrize("raised", [KeyboardInterrupt, typer.Abort])
def test_status_130_interrupted(raised, town, monkeypatch):
    place = town("joined")

    def stopped(*arguments: object, **options: object) -> None:
        raise raised

    monkeypatch.setattr("fedcli.workflow.check.check", stopped)
    done = command("check", "-C", place.silo("north"))
    assert done.status == 130
    assert "nothing was left half-written" in done.err
    assert command("check", "-C", place.silo("north"), "--json").json["ok"] is False


def test_the_statuses_are_those_of_the_process(tmp_path):
    words = [sys.executable, "-m", "fedcli"]
    surroundings = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    surroundings.pop("FEDCLI_PASSPHRASE_FILE", None)

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*words, *arguments], capture_output=True, text=True, cwd=ROOT, env=surroundings, stdin=subprocess.DEVNULL
        )
        assert "Traceback" not in done.stderr
        return done

    assert ran("explain", "E404").returncode == 0
    wrong = ran("inspect", str(tmp_path / "nowhere"), "--json")
    assert (wrong.returncode, json.loads(wrong.stdout)["error"]["code"]) == (3, "E301")
    asked = ran("keys", "new", "north", "-o", str(tmp_path))
    assert (asked.returncode, "error[E506]" in asked.stderr, list(tmp_path.iterdir())) == (5, True, [])


def test_a_topic_that_no_page_has_is_refused_with_the_nearest(town):
    said = town("keys").refuses(UnknownTopic, "explain", "E40", passphrase=False)
    assert "did you mean" in said


def test_commands_on_a_draft_say_that_it_is_one(town):
    place = town("drafted")
    place.refuses(NotFrozen, "aggregate", "-C", place.registry)
    place.refuses(NotFrozen, "export", "--format", "allowed-signers", "-C", place.registry, passphrase=False)
    place.refuses(NotFrozen, "export", "-C", place.registry, passphrase=False)
    place.refuses(NotFrozen, "predict", place.table("north"), "-C", place.registry, passphrase=False)
    assert "fedcli study freeze" in command("status", "-C", place.registry).out


# ---- names ---------------------------------------------------------------------------------------------------------

HOSTILE = "a\x1b[31m\nOK  all.fedupdate\u202e"


def test_control_characters_in_a_name_reach_no_terminal(town):
    place = town("collected")
    path = place.inbox / HOSTILE
    path.write_text("hello")
    for done in (
        command("verify", path, "-C", place.registry),
        command("inspect", path),
        command("status", "-C", place.registry),
        place.run("aggregate", "-C", place.registry),
        command("predict", path),
        command("explain", HOSTILE),
        command("check", path, "-C", place.silo("north")),
    ):
        assert done.status in (0, 1, 3, 6)
        for text in (done.out, done.err):
            assert not set(text) & {"\x1b", "\u202e"}
            assert "\nOK  all" not in text


def test_names_that_are_long_unicode_or_folders_are_refused_in_words(town):
    place = town("joined")
    for name in ("x" * 300, "übersicht/größe.csv", "表.csv", "a b'c\".csv", "\udcff.csv"):
        path = place.root / name
        for words in (
            ("inspect", path),
            ("keys", "show", path),
            ("check", path, "-C", place.silo("north")),
            ("status", "-C", path),
            ("predict", path, "--model", path),
            ("simulate", path),
            ("join", path, "--key", path, "--data", path, "-C", place.root / "new"),
            ("study", "init", place.root / "new", "--key", path),
            ("export", "-C", path),
        ):
            done = command(*words)
            assert done.status == 3, (words, done)
            assert "hint: " in done.err
    for words in (
        ("inspect", place.root),
        ("keys", "show", place.root),
        ("check", place.root, "-C", place.silo("north")),
        ("train", place.root, "-C", place.silo("north"), "--passphrase-file", place.passphrase),
        ("predict", place.root, "--model", place.root),
        ("study", "show", place.root),
    ):
        assert command(*words).status == 3, words
    assert command("verify", place.root).status == 1


def test_a_table_with_a_name_in_another_script_works(town):
    place = town("joined")
    table = place.root / "größe 表.csv"
    shutil.copy(place.table("north"), table)
    done = command("check", table, "-C", place.silo("north"))
    assert done.status == 0, done.err


@pytest.mark.parametrize("name", ["North", "nörd", "a b", "../x", "-x", "x" * 41, "", "a\nb", "a/b"])
def test_a_name_that_cannot_begin_files_is_refused(name, town):
    place = town("keys")
    before = snapshot(place.root)
    done = command("keys", "new", "-o", place.root, "--", name)
    assert done.status == 3
    assert "fedcli keys new north-hospital" in done.err
    assert snapshot(place.root) == before


def test_settings_that_are_no_text_are_refused_in_words(town):
    place = town("joined")
    for path, words in (
        (place.registry / "coordinator.yaml", ("aggregate", "-C", place.registry)),
        (place.silo("north") / "silo.yaml", ("train", "-C", place.silo("north"))),
    ):
        path.write_bytes(b"key: caf\xe9\n")
        done = place.run(*words)
        assert (done.status, "UTF-8" in done.err) == (3, True), done


def test_two_studies_in_one_folder_are_told_apart_by_nobody(town):
    place = town("joined")
    shutil.copy(place.study, place.silo("north") / "another.fedstudy")
    done = place.run("train", "-C", place.silo("north"))
    assert (done.status, "2 studies" in done.err) == (3, True)
    (place.root / "new").mkdir()
    shutil.copy(place.study, place.root / "new" / "another.fedstudy")
    digits = command("study", "show", place.study, "--json").json["fingerprint"]
    where = ("--key", place.key("north"), "--data", place.table("north"), "-C", place.root / "new")
    done = place.run("join", place.study, *where, "--fingerprint", digits)
    assert (done.status, "error[E326]" in done.err) == (3, True)
