"""From the text of ``study.yaml`` to a `Study`, and from what is wrong with it to plain words.

Owns the sentences that a coordinator reads: which line, which key, what is wrong, what to write. Knows nothing of
disk, models or keys. Internal.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from fedcli.errors import BadStudy
from fedcli.study import document
from fedcli.study.document import Study
from fedcli.study.part import Placed
from fedcli.study.yaml import Path, Tree, load

_TARGETS: dict[str, type[BaseModel]] = {
    "binary": document.BinaryTarget,
    "number": document.NumberTarget,
    "count": document.CountTarget,
    "category": document.CategoryTarget,
    "survival": document.SurvivalTarget,
    "none": document.NoTarget,
}
_FEATURES: dict[str, type[BaseModel]] = {
    "number": document.NumberColumn,
    "category": document.CategoryColumn,
    "count": document.CountColumn,
    "boolean": document.BooleanColumn,
    "date": document.DateColumn,
}
_TERMS: dict[str, type[BaseModel]] = {
    "interaction": document.Interaction,
    "log": document.Log,
    "spline": document.Spline,
}
_MAPS: dict[str, type[BaseModel]] = {
    "RBFSampler": document.RBFSampler,
    "PolynomialFeatures": document.PolynomialFeatures,
    "SplineTransformer": document.SplineTransformer,
    "RandomReLU": document.RandomReLU,
}
_TYPES = {"target": _TARGETS, "features": _FEATURES, "terms": _TERMS, "model": _MAPS}
_SECTIONS: dict[str, type[BaseModel]] = {
    "offset": document.Offset,
    "weight": document.Weight,
    "model": document.Model,
    "rules": document.Rules,
    "evaluation": document.Evaluation,
    "profile": document.Profile,
    "silos": document.Member,
    "coordinator": document.Member,
}
_NAME_RULE = "1 to 40 lower-case letters, digits and hyphens, beginning with a letter or digit"
_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list in square brackets",
    "dict": "a section with keys of its own",
    "model": "a section with keys of its own",
}


def read_study(text: str, *, name: str = "study.yaml") -> Study:
    """Read the agreement as people write it.

    Parameters
    ----------
    text : str
        The YAML, at most 64 KiB.
    name : str
        The file's name, for messages.

    Raises
    ------
    BadYaml
        The text is not YAML, or not the strict kind.
    BadStudy
        The agreement breaks its schema: the message names the first thing to mend, the hint counts the others.
    """
    tree = load(text, name=name)
    if not isinstance(tree.value, dict):
        raise BadStudy("the file is not a study", hint="write a draft with: fedcli study init DIR", where=name)
    # A draft's line 'silos:' with nothing behind it is one that waits for its silos.
    values = {key: value for key, value in tree.value.items() if key != "silos" or value is not None}
    try:
        # JSON's strict mode takes lists for tuples and refuses '10' for 10 and yes for true.
        return Study.model_validate_json(json.dumps(_with_later_rules(values)), strict=True)
    except ValidationError as exc:
        errors = [_said(error, tree) for error in _without_echoes(exc.errors())]
    # A misspelt key also leaves a lacking one behind: name the misspelling, it is what was written.
    errors.sort(key=lambda error: (not error[2].startswith("did you mean"), error[0]))
    _, message, hint, where = errors[0]
    if len(errors) > 1:
        others = ", ".join(str(line) for line in sorted({line for line, *_ in errors[1:]}))
        hint = f"{hint}; {len(errors) - 1} more to mend, on line {others}"
    raise BadStudy(message, hint=hint, where=where)


def _with_later_rules(tree: dict[str, Any]) -> dict[str, Any]:
    """Write out the rule on one row's share where the agreement is silent: a frozen study that is silent has none."""
    rules = tree.get("rules", {})
    if not isinstance(rules, dict) or "largest_share" in rules:
        return tree
    return {**tree, "rules": {**rules, "largest_share": document.LARGEST_SHARE}}


def _without_echoes(errors: Iterable[Any]) -> list[Any]:
    """Keep one error per place: a value of four possible types is reported once for each type."""
    seen: dict[tuple[Any, ...], Any] = {}
    for error in errors:
        loc = error["loc"]
        if "params" in loc:
            loc = loc[: loc.index("params") + 2]
        elif set(loc) & {"missing", "positive", "negative"}:
            loc = tuple(part for part in loc if part not in ("str", "int", "float"))
        seen.setdefault(loc, {**error, "loc": loc})
    return list(seen.values())


def _said(error: Any, tree: Tree) -> tuple[int, str, str, str]:
    """Return line, message, hint and place of one error."""
    kind, context = str(error["type"]), error.get("ctx", {})
    path, model = _place(error["loc"])
    if isinstance(context.get("error"), Placed):
        path = (*path, *context["error"].path)
    field = ".".join(str(part) for part in path) or "the study"
    message, hint = _sentence(kind, context, path, field, model, error)
    return tree.line(path), message, hint, tree.where(path)


def _place(loc: tuple[Any, ...]) -> tuple[Path, type[BaseModel]]:
    """Turn pydantic's place into the path in the file and the model of its section; the chosen type is no key."""
    if len(loc) > 1 and loc[0] == "target" and loc[1] in _TARGETS:
        return ("target", *loc[2:]), _TARGETS[loc[1]]
    if len(loc) > 2 and loc[0] in ("features", "terms") and loc[2] in _TYPES[loc[0]]:
        return (loc[0], loc[1], *loc[3:]), _TYPES[loc[0]][loc[2]]
    if len(loc) > 2 and loc[:2] == ("model", "map") and loc[2] in _MAPS:
        return ("model", "map", *loc[3:]), _MAPS[loc[2]]
    if len(loc) > 1 and loc[0] in _SECTIONS:
        return tuple(loc), _SECTIONS[loc[0]]
    return tuple(loc), Study


def _sentence(
    kind: str, context: dict[str, Any], path: Path, field: str, model: type[BaseModel], error: Any
) -> tuple[str, str]:
    key = str(path[-1]) if path else ""
    if kind == "missing":
        return _lacking(path, field, key)
    if kind == "extra_forbidden":
        return _unknown_key(path, key, model)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        types = list(_TYPES[str(path[0])])
        given = f", not '{context['tag']}'" if "tag" in context else ""
        near = difflib.get_close_matches(str(context.get("tag", "")), types, n=1)
        verb = "must be" if given else "is missing: it is"
        return f"{field}.type {verb} {_or(types)}{given}", f"write type: {near[0] if near else types[0]}"
    if kind == "string_pattern_mismatch" and set(path) & {"range", "since", "fill_value"}:
        return f"{field} '{error['input']}' is no day", "a date is written year-month-day: 2024-02-29"
    if kind == "string_pattern_mismatch":
        return f"{field} '{error['input']}' is not a name: {_NAME_RULE}", "choose another name"
    if kind == "literal_error":
        choices = [choice.strip("'") for choice in str(context["expected"]).replace(" or ", ", ").split(", ")]
        near = difflib.get_close_matches(str(error["input"]), choices, n=1)
        return f"{field} must be {_or(choices)}", f"write {key}: {near[0] if near else choices[0]}"
    if kind == "value_error":
        return f"{field}: {context['error']}", "mend this line"
    return _wrong_value(kind, context, path, field)


def _lacking(path: Path, field: str, key: str) -> tuple[str, str]:
    if isinstance(path[-1], int):
        parent = ".".join(str(part) for part in path[:-1])
        if path[-2] == "columns":
            return f"{parent} needs two columns", "name the two features that are multiplied: [age, sex]"
        return f"{parent} needs two numbers", "write the smallest and the largest: [0, 100]"
    parent = ".".join(str(part) for part in path[:-1]) or "the study"
    hints = {
        "range": "write the smallest and the largest value that can be true: range: [0, 100]",
        "levels": "write the levels in order, the reference first: levels: [female, male]",
        "column": "name the column of the table: column: disease",
        "time": "name the column that says until when a row was seen: time: days",
        "event": "name the column that says whether it ended with the event: event: died",
    }
    return f"{parent} lacks '{key}'", hints.get(key, f"add {field}")


def _unknown_key(path: Path, key: str, model: type[BaseModel]) -> tuple[str, str]:
    known = list(model.model_fields)
    section = ".".join(str(part) for part in path[:-1])
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean '{near[0]}'" if near else f"known here: {', '.join(known)}"
    return f"'{key}' is not a key of {section or 'the study'}", hint


def _wrong_value(kind: str, context: dict[str, Any], path: Path, field: str) -> tuple[str, str]:
    if path[-1:] == ("range",) and kind == "too_long":
        return f"{field} needs two numbers", "write the smallest and the largest: [0, 100]"
    if kind in ("too_short", "too_long"):
        if path == ("features",):
            return "features names no column", "name at least one: age: {type: number, range: [18, 110]}"
        least = context.get("min_length", context.get("max_length"))
        words = "at least" if kind == "too_short" else "at most"
        return f"{field} needs {words} {least} entries", "mend this line"
    bounds = {
        "greater_than_equal": ("at least", "ge"),
        "greater_than": ("above", "gt"),
        "less_than_equal": ("at most", "le"),
        "less_than": ("below", "lt"),
    }
    if kind in bounds:
        words, name = bounds[kind]
        return f"{field} must be {words} {context[name]:g}", "choose a number in the allowed range"
    wanted = next((words for start, words in _KINDS.items() if kind.startswith(start)), "of another kind")
    if path and path[0] == "model" and "params" in path:
        wanted = "text, a number, true, false or null"
    elif path and isinstance(path[-1], int) and set(path) & {"missing", "positive", "negative"}:
        wanted = "text or a number"
    hint = "put quotes around it" if wanted == "text" else "compare this line with the draft of 'fedcli study init'"
    return f"{field} must be {wanted}", hint


def _or(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
