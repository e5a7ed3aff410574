"""What a coordinator and a silo are told of an estimator before anything is fixed."""

from __future__ import annotations

from pathlib import Path

from tests.workflow.play import REGISTRY, SILOS, agreement, command


def test_a_study_of_support_vectors_is_frozen_with_the_advice_to_take_another(town):
    place = town("keys")
    space = place.registry
    assert command("study", "init", space, "--key", place.key(REGISTRY)).status == 0
    (space / "study.yaml").write_text(agreement(estimator="LinearSVC", params="{C: 0.1}"))
    for name in SILOS:
        digits = command("keys", "show", place.public(name), "--json").json["fingerprint"]
        command("study", "add-silo", place.public(name), "-C", space, "--fingerprint", digits)
    frozen = command("study", "freeze", "-C", space, "--passphrase-file", place.passphrase)
    shown = command("study", "show", Path(place.study))
    assert (frozen.status, shown.status) == (0, 0)
    for outcome in (frozen, shown):
        assert "LogisticRegression separates as well" in " ".join(outcome.err.split())
