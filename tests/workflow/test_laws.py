"""What may not change a result: the order of silos and files, and that the study went through files at all."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest

from fedcli.workflow.models import open_final
from fedcli.workflow.study import study_add_silo, study_init
from tests.equivalence.federation import federate
from tests.workflow.play import REGISTRY, SILOS, agreement, rows, table_text

CASES = {
    "LogisticRegression": agreement(),
    "Ridge": agreement(estimator="Ridge", params="{alpha: 1.0}", target="{column: y, type: number, range: [0, 100]}"),
    "PoissonRegressor": agreement(
        estimator="PoissonRegressor", params="{alpha: 0.1}", target="{column: n, type: count, range: [0, 40]}"
    ),
}


def tables() -> dict[str, str]:
    found = {}
    for name in SILOS:
        records = rows(name)
        for record in records:
            record["y"] = str(round(0.5 * float(record["age"]) + 0.1 * float(record["chol"]), 1))
            record["n"] = str(1 + int(float(record["age"])) % 7)
        found[name] = table_text(records)
    return found


@pytest.mark.parametrize("estimator", CASES)
def test_a_study_through_files_equals_one_in_memory_to_the_bit(estimator, town):
    place = town(text=CASES[estimator], tables=tables())
    final = place.finish()
    _, model = open_final(final.model)
    memory = federate(CASES[estimator], {name: place.table(name) for name in SILOS})
    assert memory.trips == final.round
    for name, array in model.state.arrays.items():
        if name != "coefficients":
            assert np.array_equal(array, memory.state.arrays[name]), name
    named = dict(zip(("intercept", *memory.plan.columns.names), model.state.arrays["coefficients"], strict=True))
    assert named == memory.coefficients()


def test_the_order_of_update_files_changes_no_bit(town):
    found = []
    for order in list(itertools.permutations(SILOS))[::2]:
        place = town("collected")
        # As names in the inbox, and as words on the command line.
        for number, name in enumerate(order):
            place.update(name).rename(place.inbox / f"{number}.fedupdate")
        paths = [place.inbox / f"{number}.fedupdate" for number in range(3)]
        result = place.aggregate(updates=paths)
        place.deliver(result.model)
        found.append(open_final(place.finish().model)[1].state.arrays)
    for other in found[1:]:
        assert {n: a.tobytes() for n, a in other.items()} == {n: a.tobytes() for n, a in found[0].items()}


def test_the_order_of_silos_in_the_study_changes_no_bit(town):
    found = []
    for order in (SILOS, SILOS[::-1]):
        place = town("keys")
        study_init(place.registry, key=place.key(REGISTRY))
        (place.registry / "study.yaml").write_text(agreement())
        for name in order:
            digits = place.secrets[name].public_identity().fingerprint
            study_add_silo([place.public(name)], workspace=place.registry, fingerprints=[digits])
        place.freeze()
        found.append(open_final(place.finish().model)[1].state.arrays)
    assert {n: a.tobytes() for n, a in found[0].items()} == {n: a.tobytes() for n, a in found[1].items()}


def test_what_a_copy_of_the_files_gives_is_the_same_model(town):
    """Nothing that decides a result lies outside the folders."""
    place, other = town("second"), town("second")
    shutil.rmtree(other.root)
    shutil.copytree(place.root, other.root)
    found = [open_final(here.finish().model)[1].state.arrays for here in (place, other)]
    assert {n: a.tobytes() for n, a in found[0].items()} == {n: a.tobytes() for n, a in found[1].items()}
