"""Measure whole commands beside named yardsticks, in one run, and print ratios.

Machines are shared and noisy: the yardstick and the command take turns, and the smallest of each counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
FEDCLI = [str(Path(PYTHON).with_name("fedcli"))]
THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

STUDY = """\
study: bench
target: {{column: y, type: binary, positive: 1}}
features:
{features}
model: {{estimator: LogisticRegression, params: {{C: 1.0}}}}
rules: {{aggregation: plain, min_silos: 2}}
evaluation: {{holdout: 0}}
silos: []
"""

POOLED = """\
import sys
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
table = pd.read_csv(sys.argv[1])
make_pipeline(StandardScaler(), LogisticRegression()).fit(table.drop(columns="y"), table["y"])
"""


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, best of {options.runs} runs taken in turns\n")
    with tempfile.TemporaryDirectory(prefix="fedcli-bench-") as name:
        folder = Path(name)
        start_up(options.runs)
        imports(folder)
        training(folder, options.rows, options.columns, max(options.runs // 2, 2))


def start_up(runs: int) -> None:
    """Compare the help page with importing what it is printed with."""
    ours, theirs = turns([*FEDCLI, "--help"], [PYTHON, "-c", "import typer, rich"], runs=runs + 4)
    report("fedcli --help", ours, "python -c 'import typer, rich'", theirs, wanted=2.5)


def imports(folder: Path) -> None:
    """Say whether commands of a linear study load scikit-learn."""
    code = (
        "import sys, runpy\n"
        "sys.argv = ['fedcli', *sys.argv[1:]]\n"
        "from fedcli.cli.main import run\n"
        "status = run(sys.argv[1:])\n"
        "print('sklearn' in sys.modules, status, file=sys.stderr)\n"
    )
    study = small_study(folder)
    for title, command in study.items():
        done = subprocess.run([PYTHON, "-c", code, *command], capture_output=True, text=True, check=False, cwd=folder)
        loaded, status = done.stderr.strip().splitlines()[-1].split()
        if status != "0":
            sys.exit(f"{title} ended with {status}:\n{done.stderr}")
        print(f"{title:<12} imports scikit-learn: {'yes' if loaded == 'True' else 'no'}")
    print()


def small_study(folder: Path) -> dict[str, list[str]]:
    """Play a small study, take its final model away, and return the commands of its last trip."""
    home = folder / "small"
    run([*FEDCLI, "simulate", str(ROOT / "sample_silos/breast_cancer"), "--keep", str(home), "-q"])
    coordinator, silo = home / "coordinator/study", home / "north/study"
    secret = ["--passphrase-file", str(home / "passphrase")]
    for models in (coordinator / "outbox", silo / "inbox"):
        max(models.glob("*.fedmodel"), key=lambda path: int(path.stem.rpartition("-r")[2])).unlink()
    update = next(coordinator.glob("inbox/*-north-r1.fedupdate"))
    return {
        "train": ["train", "-C", str(silo), "--dry-run", *secret],
        "aggregate": ["aggregate", "-C", str(coordinator), *secret],
        "verify": ["verify", "-C", str(coordinator), str(update)],
        "inspect": ["inspect", str(update)],
    }


def training(folder: Path, rows: int, columns: int, runs: int) -> None:
    """Compare one silo's first trip with scikit-learn's own fit of the same rows, reading included in both."""
    table = folder / "north.csv"
    make_table(table, rows, columns)
    pooled = folder / "pooled.py"
    pooled.write_text(POOLED)
    passphrase = folder / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    secret = ["--passphrase-file", str(passphrase)]
    for name in ("registry", "north", "south"):
        run([*FEDCLI, "keys", "new", name, "-o", str(folder), *secret])
    home = folder / "bench"
    run([*FEDCLI, "study", "init", str(home), "--key", str(folder / "registry.fedkey")])
    features = "\n".join(f"  x{i}: {{type: number, range: [-8, 8]}}" for i in range(columns))
    (home / "study.yaml").write_text(STUDY.format(features=features))
    for name in ("north", "south"):
        shown = run([*FEDCLI, "keys", "show", str(folder / f"{name}.fedpub"), "--json"])
        public = str(folder / f"{name}.fedpub")
        run([*FEDCLI, "study", "add-silo", public, "-C", str(home), "--fingerprint", field(shown, "fingerprint")])
    frozen = run([*FEDCLI, "study", "freeze", "-C", str(home), *secret, "--json"])
    silo = folder / "north"
    key, heard = str(folder / "north.fedkey"), field(frozen, "fingerprint")
    where = ["--key", key, "--data", str(table), "-C", str(silo), "--fingerprint", heard]
    run([*FEDCLI, "join", str(home / "outbox/bench.fedstudy"), *where, *secret])
    train = [*FEDCLI, "train", "-C", str(silo), "--dry-run", "-q", *secret]
    ours, theirs = turns(train, [PYTHON, str(pooled), str(table)], runs=runs)
    size = f"{rows:,} rows x {columns} columns, {table.stat().st_size / 1e6:.0f} MB"
    report(f"fedcli train, trip 1 ({size})", ours, "scikit-learn's pooled fit, read included", theirs)


def make_table(path: Path, rows: int, columns: int) -> None:
    """Write a table of random numbers with an outcome that five of its columns explain."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, columns)).clip(-7.9, 7.9)
    y = rng.random(rows) < 1 / (1 + np.exp(-(X[:, :5].sum(axis=1) - 1)))
    with path.open("w") as file:
        file.write(",".join([*(f"x{i}" for i in range(columns)), "y"]) + "\n")
        np.savetxt(file, np.column_stack([X, y]), fmt=["%.6f"] * columns + ["%d"], delimiter=",")


def run(command: list[str]) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def field(text: str, name: str) -> str:
    """Return one field of a JSON object."""
    return str(json.loads(text)[name])


def turns(ours: list[str], theirs: list[str], *, runs: int) -> tuple[float, float]:
    """Run both commands in turns and return the smallest wall time of each [s]."""
    best = [float("inf"), float("inf")]
    for _ in range(runs):
        for which, command in enumerate((ours, theirs)):
            started = time.perf_counter()
            subprocess.run(
                command, check=True, capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ, **THREADS}
            )
            best[which] = min(best[which], time.perf_counter() - started)
    return best[0], best[1]


def report(what: str, ours: float, yardstick: str, theirs: float, *, wanted: float | None = None) -> None:
    """Print two times and their ratio."""
    bound = f" (at most {wanted:g} is wanted: {'yes' if ours <= wanted * theirs else 'NO'})" if wanted else ""
    print(f"{what}: {ours:.2f} s\n{yardstick}: {theirs:.2f} s\nratio: {ours / theirs:.2f}{bound}\n")


if __name__ == "__main__":
    main()
