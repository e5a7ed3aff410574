"""The draft of an agreement: the commented ``study.yaml`` that ``study init`` writes.

Owns the text: what a coordinator reads first, and every comment in it. Knows nothing of tables (a sample arrives as
`SampleColumn`), disk or keys. What it writes, `read_study` reads. Internal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fedcli.study.document import LARGEST_SHARE, Rules
from fedcli.study.yaml import comment, scalar

# A key with its value: YAML, or the items of a list in YAML.
Pair = tuple[str, str | list[str]]
Role = Literal["number", "count", "date", "category", "boolean", "left out"]
# What a terminal shows of a line without breaking it.
WIDTH = 80


@dataclass(frozen=True)
class SampleColumn:
    """What a sample table says about one column.

    Parameters
    ----------
    name : str
    role : "number", "count", "date", "category", "boolean" or "left out"
    range : pair of float, optional
        Padded outward to round numbers; of a number or count.
    days : pair of str, optional
        First and last day of the years that were seen, ISO 8601; of a date.
    spellings : tuple of str
        In which its days can be read, where they are not ISO 8601 already.
    levels : tuple of str
        Sorted; of a category. Of yes and no, their spellings.
    yes : tuple of str
        The levels that mean yes, where that is known; of an outcome the second one without it.
    missing : tuple of str
        Codes that seem to stand for a missing value.
    incomplete : bool
        Whether the sample has missing cells.
    whole : bool
        Whether all numbers are whole, and the smallest is 0 or 1.
    note : str
        Why the column is what it is, for comments: one on a line.
    """

    name: str
    role: Role
    range: tuple[float, float] | None = None
    days: tuple[str, str] | None = None
    spellings: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    yes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    incomplete: bool = False
    whole: bool = False
    note: str = ""

    @property
    def several(self) -> bool:
        """Whether an outcome is one of several classes, and not yes or no."""
        return self.role == "category" and len(self.levels) > 2 and not self.yes


@dataclass(frozen=True)
class Sample:
    """The columns of a sample table, and which of them is the target."""

    source: str
    target: SampleColumn
    features: tuple[SampleColumn, ...]


_EXAMPLE = Sample(
    source="",
    target=SampleColumn("disease", "category", levels=("0", "1"), yes=("1",)),
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
        "# Edit it, enrol the silos with 'fedcli study add-silo', then fix and sign it",
        "# with 'fedcli study freeze'. Every key: fedcli explain agreement",
        f"study: {scalar(name)}  # begins every file's name: small letters, digits, hyphens",
        f"title: {scalar(title)}",
        "",
        *_said(f"The outcome; {origin}."),
        *_target(chosen.target),
        "",
        "# The columns that explain it, by the names all silos agree on (each maps its",
        "# own names, units and spellings in silo.yaml).",
        "# number: name its unit, as in unit: mg/dl. range is what can be true in it; a",
        "#   value outside is an error, or 'outside: missing', or 'outside: clip'. It",
        "#   catches a wrong unit: keep it honest, not wide. quantity: cholesterol",
        "#   (glucose, creatinine ...) lets a silo convert mmol/l by the unit's name.",
        "# count: a whole number, 0 or more.",
        "# date: a day, used as the years since an agreed one, or with scale: days as",
        "#   days. range: [2010-01-01, 2025-12-31]",
        "# category: the first level is the reference that the others are compared with.",
        "# boolean: yes/no, true/false, t/f, y/n, 1/0, in any case; no is the reference.",
        "# missing: spellings that mean 'not known' (empty cells and NA always do).",
        "# impute: mean, median or mode fills missing cells with the pooled value;",
        "#   without it they are an error.",
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
        "# A scikit-learn class with its own parameter names. standardize: scale numbers",
        "# by pooled mean and spread. 'order: 3' beside them saves a likelihood a trip,",
        "# where silos have many rows: 'fedcli plan' says how many.",
        "model:",
        f"  estimator: {estimator}",
        f"  params: {params}",
        "  standardize: true",
        "  # columns that bend, in the same trips (see: fedcli explain estimators)",
        "  # map: {type: RBFSampler, n_components: 20, gamma: 0.5}",
        "",
        "rules:",
        "  # plain: the coordinator can read each silo's sums singly (nobody's rows).",
        "  # masked: only the total of all.",
        "  aggregation: plain",
        *_rules(),
        "",
        "evaluation:",
        "  # share of each silo's rows kept out of the fit, to measure the model on;",
        "  # 0 keeps none",
        "  holdout: 0.2",
        "  # true spends one more trip to measure the final model itself",
        "  closing_trip: false",
        "",
        "# Trip 1 also describes the pool, by outcome where that is yes or no: 'fedcli",
        "# report' prints it as Table 1. bins: how finely quantiles are told apart.",
        "# 'correlation: true' adds correlations. No line, no report.",
        "profile: {bins: 64}",
        "",
        "silos: []  # written by 'fedcli study add-silo NAME.fedpub'",
    ]
    return "\n".join(lines) + "\n"


def _target(target: SampleColumn) -> list[str]:
    pairs: list[Pair] = [("column", scalar(target.name))]
    if target.several:
        pairs += [("type", "category"), ("levels", _values(target.levels))]
    elif target.levels:
        yes = target.yes or target.levels[1:]
        no = tuple(level for level in target.levels if level not in yes)
        pairs += [("type", "binary"), ("positive", _one_or_more(yes)), ("negative", _one_or_more(no))]
    else:
        pairs += [("type", "count" if target.whole else "number"), ("range", _range(target))]
    return [*_note(target, "# "), *_folded("target", [*pairs, *_missing(target)])]


def _feature(column: SampleColumn) -> list[str]:
    if column.role == "left out":
        return _said(f"left out: {comment(column.name)} ({comment(column.note)})", "  # ", "  ")
    pairs: list[Pair] = [("type", column.role)]
    ask, impute = "", "mean"
    if column.role == "number":
        pairs.append(("range", _range(column)))
        ask = "name its unit, as in unit: years"
    elif column.role == "count":
        pairs.append(("range", _range(column)))
        ask = "or number, if it can have parts"
    elif column.role == "date":
        first, last = column.days or ("2000-01-01", "2000-12-31")
        pairs += [("range", [first, last]), ("since", first)]
    elif column.role == "boolean":
        impute = "mode"
    else:
        pairs.append(("levels", _values(column.levels)))
        impute, ask = "mode", "put the reference level first"
        if column.levels == ("0", "1"):
            ask = "if 1 means yes: {type: boolean}"
    pairs += [*_missing(column), *([("impute", impute)] if column.incomplete else [])]
    return [*_note(column, "  # "), *_spelling(column), *_folded(f"  {scalar(column.name)}", pairs, ask)]


def _spelling(column: SampleColumn) -> list[str]:
    """Say that a silo states how it writes days, where the sample's are not written as agreed."""
    if not column.spellings:
        return []
    said, once = f"the sample's days are written {column.spellings[0]}", column.spellings[0]
    if len(column.spellings) > 1:
        said, once = f"the sample's days can be read as {' or '.join(column.spellings)}, which is never guessed", "..."
    line = f"{comment(scalar(column.name))}: {{date: {once}}}"
    return _said(f"{said}; each silo states its own in silo.yaml, columns: {line}", "  # ", "  ")


def _missing(column: SampleColumn) -> list[Pair]:
    return [("missing", _values(column.missing))] if column.missing else []


def _note(column: SampleColumn, begin: str) -> list[str]:
    return [line for note in column.note.splitlines() for line in _said(comment(note), begin, "  ")]


def _said(words: str, begin: str = "# ", hang: str = "") -> list[str]:
    """Break a comment into lines of at most `WIDTH` columns; ``hang`` goes before the second line and all after it."""
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent=begin,
        subsequent_indent=begin + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _beside(line: str, words: str) -> list[str]:
    """Put a comment behind a line, or above it where both together are too wide."""
    both = f"{line}  # {words}"
    if len(both) <= WIDTH:
        return [both]
    return [*_said(words, line[: len(line) - len(line.lstrip())] + "# "), line]


def _folded(key: str, pairs: Sequence[Pair], words: str = "") -> list[str]:
    """Write a section in braces on one line, or one key a line where it is too wide."""
    line = f"{key}: {{{', '.join(f'{name}: {_flow(value)}' for name, value in pairs)}}}"
    if len(line) <= WIDTH:
        return _beside(line, words) if words else [line]
    indent = " " * (len(key) - len(key.lstrip()) + 2)
    lines = [f"{key}:"]
    for name, value in pairs:
        one = f"{indent}{name}: {_flow(value)}"
        if isinstance(value, str) or len(one) <= WIDTH:
            lines.append(one)
            continue
        # A text is never broken: its blanks are part of it.
        lines.append(f"{indent}{name}: [")
        for item in value:
            last = lines[-1]
            together = f"{last} {item}," if last.endswith(",") else ""
            lines[-1:] = [together] if 0 < len(together) <= WIDTH else [last, f"{indent}  {item},"]
        lines.append(f"{indent}]")
    return [*lines[:1], *(_said(words, f"{indent}# ") if words else []), *lines[1:]]


def _rules() -> list[str]:
    defaults = Rules(largest_share=LARGEST_SHARE)
    lines = []
    for key, words in _RULES.items():
        value = getattr(defaults, key)
        # 1.0e-6 is a number to readers of YAML 1.1 and 1.2 alike, 1e-06 is not.
        text = "1.0e-6" if key == "tolerance" else f"{value:g}" if isinstance(value, float) else str(value)
        lines += _beside(f"  {key}: {text}", words)
    return lines


def _estimator(target: SampleColumn) -> tuple[str, str]:
    if target.levels:
        return "LogisticRegression", "{C: 1.0}"
    return ("PoissonRegressor", "{alpha: 1.0}") if target.whole else ("LinearRegression", "{}")


def outcome_said(target: SampleColumn) -> str:
    """Say how an outcome of several classes was drafted; of other kinds the draft's own line says enough."""
    if not target.several:
        return ""
    return (
        f"outcome '{target.name}': one of {len(target.levels)} classes ({', '.join(target.levels)}); "
        f"{_estimator(target)[0]} fits coefficients for each"
    )


def _range(column: SampleColumn) -> list[str]:
    return [_number(end) for end in column.range or (0.0, 1.0)]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _one_or_more(values: Sequence[str]) -> str | list[str]:
    return _value(values[0]) if len(values) == 1 else _values(values)


def _flow(value: str | list[str]) -> str:
    return value if isinstance(value, str) else f"[{', '.join(value)}]"


def _values(values: Sequence[str]) -> list[str]:
    return [_value(value) for value in values]


def _value(text: str) -> str:
    """Write a cell's value: whole numbers bare, since people read 1 for yes; all else as text."""
    bare = text.isascii() and text.isdigit() and str(int(text)) == text and len(text) < 16
    return text if bare else scalar(text)
