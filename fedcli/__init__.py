"""fedcli: train one scikit-learn model on rows that never leave their silos, by exchanging files.

Every command is a function here, and returns a frozen result. Names are loaded when they are first used, so that
``import fedcli`` costs nothing.

>>> import fedcli
>>> fedcli.explain("E404").topic.split()[0]
'E404'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fedcli.workflow.aggregate import aggregate
    from fedcli.workflow.anyone import inspect, verify
    from fedcli.workflow.approve import approve
    from fedcli.workflow.ask_again import ask_again
    from fedcli.workflow.check import check
    from fedcli.workflow.explain import explain
    from fedcli.workflow.join import join
    from fedcli.workflow.keys import keys_new, keys_show
    from fedcli.workflow.ledger import ledger
    from fedcli.workflow.outcome import export, predict
    from fedcli.workflow.report import make_report
    from fedcli.workflow.simulate import simulate
    from fedcli.workflow.status import status
    from fedcli.workflow.study import study_add_silo, study_freeze, study_init, study_show
    from fedcli.workflow.train import train

_PLACES = {
    "aggregate": "aggregate",
    "approve": "approve",
    "ask_again": "ask_again",
    "check": "check",
    "explain": "explain",
    "export": "outcome",
    "inspect": "anyone",
    "join": "join",
    "keys_new": "keys",
    "keys_show": "keys",
    "make_report": "report",
    "ledger": "ledger",
    "plan": "plan",
    "predict": "outcome",
    "simulate": "simulate",
    "status": "status",
    "study_add_silo": "study",
    "study_freeze": "study",
    "study_init": "study",
    "study_show": "study",
    "train": "train",
    "verify": "anyone",
}

__all__ = [
    "aggregate",
    "approve",
    "ask_again",
    "check",
    "explain",
    "export",
    "inspect",
    "join",
    "keys_new",
    "keys_show",
    "ledger",
    "make_report",
    "plan",
    "predict",
    "simulate",
    "status",
    "study_add_silo",
    "study_freeze",
    "study_init",
    "study_show",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"fedcli.workflow.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'fedcli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
