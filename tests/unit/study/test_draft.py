from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.errors import BadStudy
from fedcli.study.document import LARGEST_SHARE, Member
from fedcli.study.draft import Sample, SampleColumn, draft, replace_silos
from fedcli.study.reading import read_study

NORTH = Member(name="north", fingerprint="12345 67890 11111 22222 33333 44444")
EAST = Member(name="east", fingerprint="55555 67890 11111 22222 33333 44444")
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def test_the_example_is_a_valid_study_with_the_default_rules() -> None:
    study = read_study(draft("heart", "Heart disease"))
    assert study.rules.aggregation == "plain"
    assert study.rules == type(study.rules)(aggregation="plain", largest_share=LARGEST_SHARE)
    assert study.model.estimator == "LogisticRegression"


@given(st.lists(names, min_size=4, max_size=4, unique=True), names, names)
def test_a_draft_with_any_names_and_levels_reads_back(columns: list[str], level: str, title: str) -> None:
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
        (SampleColumn("y", "number", range=(0, 9)), "LinearRegression"),
        (SampleColumn("y", "number", range=(0, 9), whole=True), "PoissonRegressor"),
    ],
)
def test_the_estimator_follows_the_target(target: SampleColumn, estimator: str) -> None:
    sample = Sample("s.csv", target, (SampleColumn("a", "number", range=(0, 1)),))
    assert read_study(draft("a", "", sample)).model.estimator == estimator


def test_adding_silos_keeps_every_other_line() -> None:
    text = draft("heart", "Heart") + "# the end\n"
    both = replace_silos(text, [NORTH, EAST])
    assert read_study(both).silos == (NORTH, EAST)
    assert both.replace("\n", "").startswith(text[: text.index("silos: []")].replace("\n", ""))
    assert both.endswith("# the end\n")
    assert read_study(replace_silos(both, [NORTH])).silos == (NORTH,)
    assert replace_silos(both, []).count("silos: []") == 1


def test_a_silos_section_in_the_middle_or_absent_is_written_in_place() -> None:
    middle = "silos:\n- name: old\n  fingerprint: x\n\n# about the study\nstudy: heart\n"
    assert replace_silos(middle, [NORTH]).endswith("}\n\n# about the study\nstudy: heart\n")
    assert replace_silos("study: heart", [NORTH]).startswith("study: heart\nsilos:\n  - {name: north")


def test_silos_cannot_be_added_to_what_is_no_study() -> None:
    with pytest.raises(BadStudy):
        replace_silos("- a", [NORTH])


def test_a_hundred_silos_fit_in_the_file() -> None:
    members = [Member(name=f"silo-{i}", fingerprint=NORTH.fingerprint) for i in range(100)]
    assert len(read_study(replace_silos(draft("heart", ""), members)).silos) == 100
