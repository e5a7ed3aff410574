"""What `fedcli ledger` shows a data-protection officer: everything that was recorded, old lines and new."""

from __future__ import annotations

import json

import numpy as np

from fedcli.workflow import recording
from tests.workflow.play import REGISTRY, Town, agreement, command, rows, table_text


def shown(place: Town, name: str = "north") -> str:
    found = command("ledger", "-C", place.silo(name))
    assert found.status == 0, found.err
    return " ".join(found.out.split())


def test_the_recipient_is_recorded_with_the_fingerprint(town):
    place = town("collected")
    digits = place.secrets[REGISTRY].public_identity().fingerprint
    assert f"to registry (plain), fingerprint {digits}" in shown(place)
    (line,) = (place.silo("north") / "ledger.jsonl").read_text().splitlines()
    assert json.loads(line)["recipient_fingerprint"] == digits


def test_a_line_from_before_the_fingerprint_was_recorded_stays_readable(town, monkeypatch):
    place = town("joined")
    real = recording.append

    def before(workspace, study, secret, entry):
        real(workspace, study, secret, {k: v for k, v in entry.items() if k != "recipient_fingerprint"})

    with monkeypatch.context() as patch:
        patch.setattr("fedcli.workflow.train.append", before)
        place.train("north")
    assert "to registry (plain) " in shown(place)


def test_rows_against_an_earlier_release_are_shown(town):
    place = town("collected")
    assert "nearest earlier release" not in shown(place)
    assert place.run("aggregate", "-C", place.registry, "--new-attempt", "--ask", "north").status == 0
    place.deliver(place.model(0, "-a2"), ("north",))
    place.table("north").write_text(table_text(rows("north")[10:] + rows("more", 40)[:12]))
    place.train("north")
    assert "changed 12 rows new and 10 gone against the nearest earlier release" in shown(place)


def test_merged_levels_are_shown(town):
    def table(name: str, rare: int) -> str:
        records = rows(name)
        wards = np.random.default_rng(5).choice(["a", "other"], len(records))
        for i, record in enumerate(records):
            record["ward"] = "rare" if i < rare else str(wards[i])
        return table_text(records)

    features = """\
  age: {type: number, range: [20, 100]}
  ward: {type: category, levels: [a, rare, other], other: other}
"""
    place = town(
        text=agreement(features=features), tables={name: table(name, 2) for name in ("north", "east", "south")}
    )
    place.train("north")
    assert "merged 2 rows of 'ward = rare' are counted as 'other'" in shown(place)
    told = command("ledger", "-C", place.silo("north"), "--json").json
    assert told["entries"][0]["merged"] == [["ward", "rare", "other", 2]]
