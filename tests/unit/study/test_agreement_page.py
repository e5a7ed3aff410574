"""The page on the agreement says what is true: its examples are read, its factors are those of the table."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from fedcli.data.mapping import read_mapping
from fedcli.data.units import QUANTITIES, conversion, named
from fedcli.study.document import BooleanColumn, CategoryColumn, CountColumn, DateColumn, NumberColumn
from fedcli.study.reading import read_study
from fedcli.workflow.explain import explain
from fedcli.workflow.limits import cross_check

PAGE = (resources.files("fedcli") / "docs" / "agreement.md").read_text("utf-8")


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_example_holds_every_type_imputation_and_term_and_can_be_frozen() -> None:
    study = read_study(block("yaml"))
    cross_check(study)
    assert {type(column) for column in study.features.values()} == {
        NumberColumn,
        CountColumn,
        DateColumn,
        CategoryColumn,
        BooleanColumn,
    }
    assert {term.type for term in study.terms.values()} == {"interaction", "log", "spline"}
    assert {column.impute for column in study.features.values()} >= {"mean", "median", "mode", "level", None}


def test_every_set_of_rules_that_the_page_writes_can_be_frozen() -> None:
    written = re.findall(r"rules: (\{[^}]*\})", PAGE)
    assert any("preset" in rules for rules in written)
    for rules in written:
        cross_check(read_study(block("yaml").replace("rules: {aggregation: plain}", f"rules: {rules}")))


def test_the_silos_example_reads_against_it() -> None:
    mapping = read_mapping(block("silo"), read_study(block("yaml")))
    assert mapping.of("chol").multiply == 38.665
    assert mapping.of("smoker").levels == {"ja": "true", "nein": "false"}


def test_every_quantity_has_a_line_and_every_line_its_factor() -> None:
    lines = re.findall(r"^\| ([^|]+) \| ([^|]*) \| ([^|]+) \|$", PAGE.partition("| quantity |")[2], re.MULTILINE)
    found = set()
    for names, figures, _ in lines:
        called = [
            name for name in (named(part.split("(")[0].strip()) for part in re.split(", (?:also )?", names)) if name
        ]
        found |= set(called)
        for number, unit in re.findall(r"([0-9.]+) ([µm]?g/(?:dl|l)|ng/ml|g/dl|mEq/l)", figures):
            local = "umol/l" if figures.startswith("*") else "mmol/l"
            assert conversion(local, unit, called[0]).multiply == pytest.approx(float(number), rel=1e-6), names
    assert found == set(QUANTITIES)


@pytest.mark.parametrize("topic", ["agreement", "types", "terms", "units"])
def test_the_page_and_its_parts_can_be_asked_for(topic: str) -> None:
    assert explain(topic).text


def test_a_quantity_that_no_conversion_knows_is_refused_at_freeze() -> None:
    from fedcli.errors import UnsupportedModel

    text = block("yaml").replace("quantity: cholesterol", "quantity: cholestorol")
    with pytest.raises(UnsupportedModel, match="'cholestorol'") as caught:
        cross_check(read_study(text))
    assert "did you mean 'cholesterol'" in caught.value.hint
