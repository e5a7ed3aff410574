"""A silo continues only what its coordinator sent for it, and a lying coordinator's numbers are refused as well."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from fedcli.errors import (
    BadDocument,
    BadSignature,
    BadTensors,
    BindingMismatch,
    NotAFedcliFile,
    NotFinal,
    OtherStudy,
    UnknownSigner,
    WrongRecipient,
)
from tests.workflow.forging import forge, manifest_of
from tests.workflow.play import Town, agreement, command


def refused(place: Town, error, *arguments: object) -> str:
    return place.refuses(error, "train", "-C", place.silo("north"), "--yes", *arguments)


def delivered(place: Town, **changes: object) -> None:
    forge(place, place.model(1), **changes)
    place.deliver(place.model(1))


# fedcli itself writes no such number: it is put where this one stands.
MARK = np.array([-1.2345678987654321e88])


def marked(name: str):
    def change(arrays):
        chosen = name if name in arrays else sorted(arrays)[0]
        array = arrays[chosen].copy()
        array.flat[0] = MARK[0]
        return {**arrays, chosen: array}

    return change


def with_number(value: float):
    return lambda data: data.replace(MARK.tobytes(), np.array([value]).tobytes())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["mean", "coef", "curvature"])
def test_a_model_that_holds_no_number_is_refused(name, value, town):
    place = town("second")
    delivered(place, arrays=marked(name), spoilt=with_number(value))
    refused(place, BadTensors)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: {},
        lambda arrays: {name: array[..., None] for name, array in arrays.items()},
        lambda arrays: {name: array for name, array in arrays.items() if name != sorted(arrays)[0]},
        lambda arrays: {name: np.zeros(3) for name in arrays},
    ],
    ids=["none", "another_shape", "one_less", "other_lengths"],
)
def test_arrays_of_a_model_with(change, town):
    place = town("second")
    delivered(place, arrays=change)
    refused(place, BadTensors)


def of(name, change):
    return lambda arrays: {**arrays, name: change(arrays[name].copy())}


def skewed(matrix):
    matrix[0, 1] *= 1 + 1e-9
    return matrix


LIES = {
    "integers_for_coefficients": of("coef", lambda a: np.ones(a.shape, np.uint64)),
    "integers_for_sums": of("curvature", lambda a: np.ones(a.shape, np.uint64)),
    "curvature_not_symmetric": of("curvature", skewed),
    "curvature_downwards": of("curvature", np.negative),
    "curvature_downwards_somewhere": of("curvature", lambda a: a - 1.5 * np.linalg.eigvalsh(a)[0] * np.eye(len(a))),
    "penalty_below_0": of("penalty", lambda a: a - 1),
    "a_step_below_0": lambda arrays: {**arrays, "steps": np.array([-0.5])},
    "no_rows": of("preparation.n_samples", np.zeros_like),
    "half_a_row": of("n_samples", lambda a: a + 0.5),
    "two_counts_of_rows": of("n_samples", lambda a: np.array([1.0, 2.0])),
    "a_scale_of_0": of("preparation.scale", np.zeros_like),
    "a_level_that_is_none": of("preparation.modes", lambda a: a + 2),
    "figures_without_names": lambda arrays: {**arrays, "evaluation": np.ones(2)},
    "a_lowest_point_of_another_length": lambda arrays: {**arrays, "lowest.coef": np.ones(1)},
}


@pytest.mark.parametrize("change", LIES.values(), ids=LIES)
def test_a_state_with(change, town):
    place = town("second")
    delivered(place, arrays=change)
    refused(place, BadTensors)
    # The coordinator's own software does not go on from it either.
    place.refuses(BadTensors, "aggregate", "-C", place.registry)


STANDS = {
    "no_phase": {"phase": None},
    "an_unknown_phase": {"phase": "resting"},
    "a_phase_of_the_end": {"phase": "converged"},
    "a_round_that_is_true": {"round": True},
    "a_round_below_0": {"round": -1},
    "a_round_of_its_own": {"round": 2},
    "names_of_figures_that_are_none": {"evaluation": "row 17"},
    "names_of_figures_that_are_no_text": {"evaluation": 3},
    "an_evaluated_round_that_is_a_text": {"evaluated_round": "one"},
}


@pytest.mark.parametrize("change", STANDS.values(), ids=STANDS)
def test_a_states_document_with(change, town):
    place = town("second")
    delivered(place, document=lambda document: {**document, "state": {**document["state"], **change}})
    refused(place, BadTensors)
    place.refuses(BadTensors, "aggregate", "-C", place.registry)


@pytest.mark.parametrize("change", [{"phase": "solving"}, {"round": 2}, {"round": 0}], ids=str)
def test_a_final_models_document_with(change, town):
    place = town("finished")
    final = sorted((place.registry / "outbox").glob("*.fedmodel"))[-1]
    forge(place, final, document=lambda document: {**document, "state": {**document["state"], **change}})
    place.refuses(BadTensors, "export", final, passphrase=False)
    place.refuses(BadTensors, "predict", place.table("north"), "--model", final, passphrase=False)


def test_a_models_document_in_another_form_is_refused(town):
    place = town("second")
    delivered(place, document=lambda document: {**document, "expects": {"north": "soon"}})
    refused(place, BadDocument)


def test_a_model_of_a_silo_is_refused(town):
    place = town("second")
    delivered(place, by="south")
    refused(place, BadSignature)


def test_a_model_of_a_stranger_is_refused_by_name_and_passed_over_in_the_inbox(town):
    place = town("second")
    path = place.root / "strange.fedmodel"
    shutil.copy(place.model(1), path)
    forge(place, path, by="stranger")
    refused(place, UnknownSigner, path)
    shutil.copy(path, place.silo("north") / "inbox" / "z.fedmodel")
    assert place.train("north").round == 2


def test_a_model_of_another_study_is_refused_by_name_and_passed_over_in_the_inbox(town):
    place, other = town("second"), town(text=agreement(params="{C: 2.0}"))
    other.round()
    refused(place, OtherStudy, other.model(1))
    shutil.copy(other.model(1), place.silo("north") / "inbox" / "z.fedmodel")
    assert place.train("north").round == 2


def test_a_model_with_the_contents_of_another_is_refused(town):
    place = town("second")
    delivered(place, binding="ab" * 32)
    refused(place, BindingMismatch)


def test_a_model_that_this_silo_cannot_open_is_refused(town):
    place = town("second")
    delivered(place, readable_by="south")
    refused(place, WrongRecipient)


def test_an_update_is_no_model(town):
    place = town("second")
    refused(place, NotAFedcliFile, place.update("north"))


# ---- what is not final ---------------------------------------------------------------------------------------------


def test_a_model_between_trips_is_neither_used_nor_exported(town):
    place = town("second")
    for words in (("predict", place.table("north"), "--model", place.model(1)), ("export", place.model(1))):
        assert "between trips" in place.refuses(NotFinal, *words, passphrase=False)
    place.refuses(NotFinal, "predict", place.table("north"), "-C", place.silo("north"), passphrase=False)


def test_a_final_model_with_numbers_that_are_none_is_refused(town):
    place = town("finished")
    final = sorted((place.registry / "outbox").glob("*.fedmodel"))[-1]
    assert manifest_of(final).final
    forge(place, final, arrays=marked("coef"), spoilt=with_number(np.nan))
    place.refuses(BadTensors, "predict", place.table("north"), "--model", final, passphrase=False)
    place.refuses(BadTensors, "export", final, passphrase=False)
    assert command("verify", final).status == 1


def test_a_final_model_signed_by_a_silo_is_refused(town):
    place = town("finished")
    final = sorted((place.registry / "outbox").glob("*.fedmodel"))[-1]
    forge(place, final, by="north")
    place.refuses(BadSignature, "predict", place.table("north"), "--model", final, passphrase=False)
