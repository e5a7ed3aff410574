"""The draft of an agreement: the commented ``study.yaml`` that ``study init`` writes and ``add-silo`` completes.

Owns the text: what a coordinator reads first, and every comment in it. Knows nothing of tables (a sample arrives as
`SampleColumn`), disk or keys. What it writes, `read_study` reads. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fedcli.errors import BadStudy
from fedcli.study.document import LARGEST_SHARE, Member, Rules
from fedcli.study.yaml import comment, load, scalar

Role = Literal["number", "category", "left out"]


@dataclass(frozen=True)
class SampleColumn:
    """What a sample table says about one column.

    Parameters
    ----------
    name : str
    role : "number", "category" or "left out"
    range : pair of float, optional
        Padded outward to round numbers; of a number.
    levels : tuple of str
        Sorted; of a category.
    missing : tuple of str
        Codes that seem to stand for a missing value.
    incomplete : bool
        Whether the sample has missing cells.
    whole : bool
        Whether all numbers are whole and none is negative.
    note : str
        Why the column is what it is, for a comment.
    """

    name: str
    role: Role
    range: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    incomplete: bool = False
    whole: bool = False
    note: str = ""


@dataclass(frozen=True)
class Sample:
    """The columns of a sample table, and which of them is the target."""

    source: str
    target: SampleColumn
    features: tuple[SampleColumn, ...]


_EXAMPLE = Sample(
    source="",
    target=SampleColumn("disease", "category", levels=("0", "1")),
    features=(
        SampleColumn("age", "number", range=(18, 110)),
        SampleColumn("sex", "category", levels=("female", "male")),
        SampleColumn("chol", "number", range=(50, 700), missing=("?",), incomplete=True),
    ),
)

_RULES = {
    "min_rows": "a silo with fewer rows cannot take part",
    "min_cell": "no group of rows smaller than this may show; empty groups pass",
    "rows_per_column": "rows that a silo needs for each coefficient; below it sums could give back single rows",
    "largest_share": "one row may have at most this part of a column's sum or sum of squares",
    "max_rows": "most rows of one silo; fixes how finely sums are written",
    "min_silos": "fewest silos that may be added up",
    "max_rounds": "stop after so many trips, finished or not",
    "max_coefficient": "largest coefficient looked for, on the scale where every range is -1 to 1",
    "tolerance": "finished when the coefficients are this close to the pooled ones, relative",
}


def draft(name: str, title: str, sample: Sample | None = None) -> str:
    """Write the draft of a study.

    Parameters
    ----------
    name : str
        The study's name; the caller checks its letters by reading the draft back.
    title : str
    sample : Sample, optional
        Without one, three example columns stand where the person's own belong.

    Returns
    -------
    str
        YAML that `read_study` accepts as it stands.
    """
    chosen = sample or _EXAMPLE
    estimator, params = _estimator(chosen.target)
    origin = f"filled from {comment(sample.source)}: check every line" if sample else "an example: put your own columns"
    lines = [
        "# The agreement between the silos. Lines that begin with # are comments.",
        "# Edit it, enrol the silos with 'fedcli study add-silo', fix and sign it with 'fedcli study freeze'.",
        f"study: {scalar(name)}  # begins the name of every file: small letters, digits, hyphens",
        f"title: {scalar(title)}",
        "",
        f"# The outcome; {origin}.",
        *_target(chosen.target),
        "",
        "# The columns that explain it, by the names all silos agree on (each maps its own names in silo.yaml).",
        "# number: name its unit, such as unit: mg/dl. range is what can be true in that unit; a value outside is an",
        "#   error, or 'outside: missing', or 'outside: clip'. It catches a wrong unit: keep it honest, not wide.",
        "#   quantity: cholesterol (glucose, creatinine ...) lets a silo convert mmol/l to mg/dl by the unit's name.",
        "# category: the first level is the reference that the others are compared with.",
        "# Also: type: count (whole numbers), type: boolean (yes or no), and days since an agreed one:",
        "#   {type: date, range: [2010-01-01, 2025-12-31]}. Everything: fedcli explain agreement",
        "# missing: spellings that mean 'not known' (empty cells and NA always do).",
        "# impute: mean, median or mode fills missing cells with the pooled value; without it they are an error.",
        "features:",
        *(line for column in chosen.features for line in _feature(column)),
        "",
        "# Columns computed from these: products, logarithms, splines.",
        "# terms:",
        "#   age by sex: {type: interaction, columns: [age, sex]}",
        "#   log chol: {type: log, column: chol}",
        "#   curve: {type: spline, column: age, knots: [40, 55, 70]}",
        "",
        "# Also possible, for a rate per exposure and for sample weights:",
        "# offset: {column: years_observed, transform: log, range: [0.01, 50]}",
        "# weight: {column: survey_weight, range: [0, 100]}",
        "",
        "# A scikit-learn class with its own parameter names. standardize: scale numbers by pooled mean and spread.",
        "model:",
        f"  estimator: {estimator}",
        f"  params: {params}",
        "  standardize: true",
        "",
        "rules:",
        "  # plain: the coordinator can read each silo's sums singly (nobody's rows). masked: only the total of all.",
        "  aggregation: plain",
        *_rules(),
        "",
        "evaluation:",
        "  holdout: 0.2  # share of each silo's rows kept out of the fit, to measure the model on; 0 keeps none",
        "  closing_trip: false  # true spends one more trip to measure the final model itself",
        "",
        "# Trip 1 also describes the pool, by outcome where that is yes or no: 'fedcli report' prints it as Table 1.",
        "# bins: how finely quantiles are told apart. 'correlation: true' adds correlations. No line, no report.",
        "profile: {bins: 64}",
        "",
        "silos: []  # written by 'fedcli study add-silo NAME.fedpub'",
    ]
    return "\n".join(lines) + "\n"


def replace_silos(text: str, members: Sequence[Member], *, name: str = "study.yaml") -> str:
    """Write the ``silos:`` section anew and leave every other line, comments included, as the person wrote it.

    Parameters
    ----------
    text : str
        A study as YAML.
    members : sequence of Member
        Name and fingerprint are written; the keys stay in the workspace's ``keys/`` folder, because a post-quantum
        key alone is 2.6 kB.
    name : str
        The file's name, for messages.

    Raises
    ------
    BadYaml
        The text is not strict YAML, or would grow past its limit.
    """
    tree = load(text, name=name)
    if not isinstance(tree.value, dict):
        raise BadStudy("the file is not a study", hint="write a draft with: fedcli study init DIR", where=name)
    entries = [
        f"  - {{name: {scalar(member.name)}, fingerprint: {scalar(member.fingerprint)}}}\n" for member in members
    ]
    section = ["silos:\n", *entries] if entries else ["silos: []\n"]
    lines = text.splitlines(keepends=True)
    if "silos" not in tree.value:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        start = end = len(lines)
    else:
        start = tree.line(("silos",)) - 1
        later = [tree.line((key,)) - 1 for key in tree.value if tree.line((key,)) - 1 > start]
        end = min(later, default=len(lines))
        # Comments and blank lines at the margin belong to what follows.
        while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
            end -= 1
    written = "".join([*lines[:start], *section, *lines[end:]])
    load(written, name=name)
    return written


def _target(target: SampleColumn) -> list[str]:
    column = f"column: {scalar(target.name)}"
    missing = f", missing: {_flow(target.missing)}" if target.missing else ""
    if target.role == "category":
        negative, positive = target.levels
        line = (
            f"target: {{{column}, type: binary, positive: {_value(positive)}, negative: {_value(negative)}{missing}}}"
        )
        return [*_note(target, ""), line]
    kind = "count" if target.whole else "number"
    return [*_note(target, ""), f"target: {{{column}, type: {kind}, range: {_range(target)}{missing}}}"]


def _feature(column: SampleColumn) -> list[str]:
    if column.role == "left out":
        return [f"  # left out: {comment(column.name)} ({comment(column.note)})"]
    missing = f", missing: {_flow(column.missing)}" if column.missing else ""
    if column.role == "number":
        impute = ", impute: mean" if column.incomplete else ""
        body = f"type: number, range: {_range(column)}{missing}{impute}"
        ask = "its unit, if it has one, as in: unit: years"
    else:
        impute = ", impute: mode" if column.incomplete else ""
        body = f"type: category, levels: {_flow(column.levels)}{missing}{impute}"
        ask = "put the reference level first"
    return [*_note(column, "  "), f"  {scalar(column.name)}: {{{body}}}  # {ask}"]


def _note(column: SampleColumn, indent: str) -> list[str]:
    return [f"{indent}# {comment(column.note)}"] if column.note else []


def _rules() -> list[str]:
    defaults = Rules(largest_share=LARGEST_SHARE)
    lines = []
    for key, words in _RULES.items():
        value = getattr(defaults, key)
        # 1.0e-6 is a number to readers of YAML 1.1 and 1.2 alike, 1e-06 is not.
        text = "1.0e-6" if key == "tolerance" else f"{value:g}" if isinstance(value, float) else str(value)
        lines.append(f"  {key}: {text}  # {words}")
    return lines


def _estimator(target: SampleColumn) -> tuple[str, str]:
    if target.role == "category":
        return "LogisticRegression", "{C: 1.0}"
    return ("PoissonRegressor", "{alpha: 1.0}") if target.whole else ("LinearRegression", "{}")


def _range(column: SampleColumn) -> str:
    low, high = column.range or (0.0, 1.0)
    return f"[{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _flow(values: Sequence[str]) -> str:
    return "[" + ", ".join(_value(value) for value in values) + "]"


def _value(text: str) -> str:
    """Write a cell's value: whole numbers bare, since people read 1 for yes; all else as text."""
    bare = text.isascii() and text.isdigit() and str(int(text)) == text and len(text) < 16
    return text if bare else scalar(text)
