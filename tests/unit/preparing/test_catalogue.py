"""The list of estimators says of each module what is in it, and imports none that nobody asked for."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import fedcli.models
import fedcli.preparing
from fedcli.preparing.catalogue import MODULES, Catalogue


def test_every_module_with_estimators_is_listed_with_all_of_them() -> None:
    found = {}
    for package in (fedcli.models, fedcli.preparing):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            entries = getattr(importlib.import_module(module.name), "ESTIMATORS", None)
            if isinstance(entries, dict):
                found[module.name] = tuple(entries)
    assert {module: set(names) for module, names in MODULES.items()} == {m: set(names) for m, names in found.items()}
    assert len(Catalogue()) == sum(map(len, MODULES.values())) == len(set(Catalogue()))


def test_a_command_imports_no_estimator_that_it_was_not_asked_for() -> None:
    code = (
        "import sys, fedcli.workflow.check\n"
        "from fedcli.preparing.estimators import ESTIMATORS\n"
        "assert 'Lasso' in ESTIMATORS and 'Laso' not in ESTIMATORS\n"
        "before = 'fedcli.models.sparse' in sys.modules\n"
        "ESTIMATORS['Lasso']\n"
        "print(before, 'fedcli.models.sparse' in sys.modules, 'fedcli.models.bayesian' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "True", "False"]
