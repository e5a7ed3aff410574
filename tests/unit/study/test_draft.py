from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedcli.study.document import LARGEST_SHARE
from fedcli.study.draft import Sample, SampleColumn, draft
from fedcli.study.reading import read_study
from fedcli.study.spelling import identity

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def test_the_example_is_a_valid_study_with_the_default_rules() -> None:
    study = read_study(draft("heart", "Heart disease"))
    assert study.rules.aggregation == "plain"
    assert study.rules == type(study.rules)(aggregation="plain", largest_share=LARGEST_SHARE)
    assert study.model.estimator == "LogisticRegression"


@given(st.lists(names, min_size=4, max_size=4, unique=True), names, names)
def test_a_draft_with_any_names_and_levels_reads_back(columns: list[str], level: str, title: str) -> None:
    # A blank level, or one that is missing too, is no sample's.
    assume(len({"", identity(title), identity(level), identity(level + "x")}) == 4)
    sample = Sample(
        source=title,
        target=SampleColumn(columns[0], "number", range=(0.0, 1.5)),
        features=(
            SampleColumn(columns[1], "category", levels=(level, level + "x"), missing=(title,), incomplete=True),
            SampleColumn(columns[2], "number", range=(-1.0, 2.0), note=title),
            SampleColumn(columns[3], "left out", note=level),
        ),
    )
    study = read_study(draft("a", title, sample))
    assert study.title == title
    assert study.target.column == columns[0]
    assert list(study.features) == columns[1:3]
    assert study.categories[columns[1]].levels == (level, level + "x")
    assert study.numbers[columns[2]].range == (-1.0, 2.0)


@pytest.mark.parametrize(
    ("target", "estimator"),
    [
        (SampleColumn("y", "category", levels=("0", "1")), "LogisticRegression"),
        (SampleColumn("y", "category", levels=("a", "b", "c")), "LogisticRegression"),
        (SampleColumn("y", "number", range=(0, 9)), "LinearRegression"),
        (SampleColumn("y", "number", range=(0, 9), whole=True), "PoissonRegressor"),
    ],
)
def test_the_estimator_follows_the_target(target: SampleColumn, estimator: str) -> None:
    sample = Sample("s.csv", target, (SampleColumn("a", "number", range=(0, 1)),))
    assert read_study(draft("a", "", sample)).model.estimator == estimator
