"""Silos are enrolled into a study.yaml of any valid form, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from fedcli.errors import BadStudy, BadYaml, CannotWrite
from fedcli.study.yaml import load
from fedcli.workflow import study as study_commands
from fedcli.workflow.study import study_add_silo, study_freeze, study_init
from tests.workflow.conftest import At
from tests.workflow.play import REGISTRY, SILOS, Town, agreement, command, snapshot

PLAIN = agreement().replace("study: heart\n", "# A line of ours.\nstudy: heart  # and another\n")
IN_BRACES = yaml.safe_dump(load(PLAIN, name="x").value, default_flow_style=True, sort_keys=False)
FORMS = {
    "as drafted": PLAIN,
    "no key": PLAIN.replace("silos: []\n", "# the end"),
    "nothing behind the key": PLAIN.replace("silos: []", "silos:  # to come"),
    "the key first": "silos: []  # to come\n" + PLAIN.replace("silos: []\n", ""),
    "the key in the middle": PLAIN.replace("silos: []\n", "").replace("model:", "silos: [\n  # to come\n]\nmodel:"),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "all in braces": IN_BRACES,
    "all in braces, no key": IN_BRACES.replace(", silos: []", ""),
    "all in braces, one line, a comma": " ".join(IN_BRACES.replace("silos: []}", "silos: [], }").split()),
}


@pytest.fixture
def empty(town: At) -> Town:
    place: Town = town("keys")
    study_init(place.registry, key=place.key(REGISTRY))
    return place


def enrol(place: Town, *names: str) -> None:
    prints = [place.secrets[name].public_identity().fingerprint for name in names]
    study_add_silo([place.public(name) for name in names], workspace=place.registry, fingerprints=prints)


@pytest.mark.parametrize("form", FORMS)
def test_silos_enrol_one_by_one_or_together_and_the_study_freezes(empty: Town, form: str) -> None:
    draft = empty.registry / "study.yaml"
    draft.write_bytes(FORMS[form].encode())
    enrol(empty, SILOS[0])
    enrol(empty, *SILOS[1:])
    said = draft.read_bytes().decode()
    for comment in ("# A line of ours.", "# and another", "# to come", "# the end"):
        assert (comment in said) == (comment in FORMS[form])
    assert ("\r\n" in said) == (form == "CRLF")
    frozen = study_freeze(workspace=empty.registry, key=empty.secrets[REGISTRY])
    assert frozen.study.silo_names == SILOS
    assert frozen.study.features.keys() == load(PLAIN, name="x").value["features"].keys()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda text: text.replace("  age:", "\tage:"), BadYaml),
        (lambda text: text.replace("silos: []", "silos:\t[]"), BadYaml),
        (lambda text: text.replace("silos: []", "silos: none"), BadStudy),
        (lambda text: text + "silos: []\n", BadYaml),
        (lambda text: text.replace("silos: []", "silos: [north]"), BadStudy),
        (lambda text: text + "#" * (64 * 1024 - len(text) - 1), BadYaml),
    ],
    ids=["a tab before a key", "a tab before the value", "a word", "the key twice", "a name alone", "no room"],
)
def test_what_cannot_be_enrolled_into_is_refused_and_nothing_changes(
    empty: Town, change: Callable[[str], str], error: type[Exception]
) -> None:
    (empty.registry / "study.yaml").write_text(change(PLAIN))
    digits = empty.secrets["north"].public_identity().fingerprint
    words = ("study", "add-silo", empty.public("north"), "-C", empty.registry, "--fingerprint", digits)
    said = empty.refuses(error, *words, passphrase=False)  # type: ignore[arg-type]
    assert "study.yaml" in said


def test_a_disk_that_fills_up_leaves_no_half_enrolment(empty: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = empty.registry / "study.yaml"
    draft.write_text(PLAIN)
    before = snapshot(empty.registry)
    real = study_commands.write_bytes

    def full(path, data, **options):
        if path == draft:
            raise CannotWrite("no space left", hint="is the disk full?")
        return real(path, data, **options)

    monkeypatch.setattr(study_commands, "write_bytes", full)
    with pytest.raises(CannotWrite):
        enrol(empty, *SILOS)
    assert snapshot(empty.registry) == before
    monkeypatch.undo()
    enrol(empty, *SILOS)


@pytest.mark.parametrize(
    "own",
    [
        "# ours\ncolumns:\n  age: {column: years}\n",
        "{columns: {age: {column: years}}}\n",
        "{key: old.fedkey, data: old.csv, columns: {age: {column: years}}}  # of another study\n",
        "  key: old.fedkey\n  columns: {age: {column: years}}\n  data: old.csv",
    ],
)
def test_a_mapping_given_to_join_is_kept_in_any_form(town: At, own: str) -> None:
    place = town("joined")
    given, space = place.root / "own.yaml", place.root / "again"
    given.write_text(own)
    place.table("north").write_text(place.table("north").read_text().replace("age,", "years,", 1))
    digits = command("study", "show", place.study, "--json").json["fingerprint"]
    where = ("--key", place.key("north"), "--data", place.table("north"), "-C", space)
    said = place.run("join", place.study, *where, "--mapping", given, "--fingerprint", digits)
    assert said.status == 0, said.err
    # Its table has no column of the agreed name.
    checked = command("check", "-C", space)
    assert checked.status == 0, checked.err
