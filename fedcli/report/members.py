"""Which silos a model rests on: those of its fit, and those of trip 1, whose rows scale and impute it.

Owns the one sentence that says so where they differ. Knows nothing of files, keys or screens. Internal.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedcli.models.closed import Closed
from fedcli.preparing.plan import Plan
from fedcli.protocol.payloads import ModelDocument


@dataclass(frozen=True)
class RestsOn:
    """The silos behind a model's numbers, in the study's order.

    Parameters
    ----------
    fit : tuple of str
        Whose rows the coefficients are fitted on.
    prepared : tuple of str
        Whose rows of trip 1 give the standardisation and the imputed values.
    says : str
        One sentence for people; empty where every silo of the study took part throughout.
    """

    fit: tuple[str, ...]
    prepared: tuple[str, ...]
    says: str


def rests_on(plan: Plan, document: ModelDocument) -> RestsOn:
    """Say whose rows are in a model of at least one round.

    Trip 1 alone knows the columns' means and spreads; a silo that falls silent later leaves the fit, but not these. A
    closed form is fitted in trip 1 and keeps the silos of that trip, whoever sends the figures of a closing trip.
    """
    everybody = plan.study.silo_names
    prepared = tuple(name for name in everybody if f"{name} (round 1)" not in document.without)
    last = tuple(name for name in everybody if name in document.members)
    closed_form = isinstance(plan.family, Closed)
    fit = prepared if closed_form else last
    if fit == everybody and last == everybody and prepared == everybody:
        return RestsOn(fit, prepared, "")
    says = f"the fit is of the rows of {_listed(fit)}"
    what = _pooled_preparation(plan)
    if closed_form and last != fit:
        says += f", the figures of held-out rows are of {_listed(last)}"
    elif fit != prepared and what:
        says += (
            f"; it keeps the {what} of trip 1, from the rows of {_listed(prepared)}, "
            f"and given these it equals the pooled fit of {_listed(fit)}"
        )
    return RestsOn(fit, prepared, says)


def _pooled_preparation(plan: Plan) -> str:
    """Return what of the design comes from pooled rows: an agreed fill or an unscaled column does not."""
    study = plan.study
    columns = (*study.numbers.values(), *study.categories.values())
    imputed = any(column.impute is not None and column.fill is None for column in columns)
    parts = ["standardisation"] if study.model.standardize else []
    parts += ["imputed values"] if imputed else []
    return " and ".join(parts)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
