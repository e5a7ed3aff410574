"""Measure whole commands beside named yardsticks, in one run, and print ratios.

Machines are shared and noisy: the yardstick and the command take turns, and the median of each counts. Processor time
stands beside it: of a busy machine it says more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from bench_trips import trips_and_bytes

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
evaluation: {{holdout: {holdout}}}
silos: []
"""
NUMBER = "{type: number, range: [-8, 8]}"
# By the first letter of a column's name, in a table as hospitals have them.
KINDS = {
    "x": NUMBER,
    "n": "{type: count, range: [0, 60]}",
    "c": "{type: category, levels: [alpha, beta, gamma, delta]}",
    "d": "{type: date, range: [2009-01-01, 2025-12-31], since: 2010-01-01}",
}

READ = "import polars, sys; polars.read_csv(sys.argv[1])"
LARGE_GOAL = 600e6

POOLED = """\
import sys
import numpy as np
import polars as pl
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
    parser.add_argument("--large", action="store_true", help="also 5,000,000 rows x 30 columns: 3 GB of disk, minutes")
    parser.add_argument("--trips", action="store_true", help="only trips, bytes and error of each family, two minutes")
    options = parser.parse_args()
    if options.trips:
        trips_and_bytes()
        return
    cores = os.cpu_count()
    print(f"Python {sys.version.split()[0]}, {cores} cores, medians of up to {options.runs} runs taken in turns\n")
    with tempfile.TemporaryDirectory(prefix="fedcli-bench-") as name:
        folder = Path(name)
        start_up(options.runs)
        imports(folder)
        training(folder, options.rows, options.columns, options.runs)
        mixed(folder / "mixed", options.rows, options.columns, options.runs)
        if options.large:
            large(folder, 5_000_000, 30)
    trips_and_bytes()


def start_up(runs: int) -> None:
    """Compare the help page with importing what it is printed with."""
    ours, theirs = turns([*FEDCLI, "--help"], [PYTHON, "-c", "import typer, rich"], runs=runs)
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
    """Compare one silo's check and first trip with reading its table, and with scikit-learn's own fit of it."""
    table = folder / "north.csv"
    make_table(table, rows, columns)
    silo, secret = joined_silo(folder, table, numbers(columns))
    size = f"{rows:,} rows x {columns} columns, {table.stat().st_size / 1e6:.0f} MB"
    check = [*FEDCLI, "check", "-C", str(silo), "-q"]
    ours, theirs = turns(check, [PYTHON, "-c", READ, str(table)], runs=runs)
    report(f"fedcli check ({size})", ours, "Polars' own read of the file", theirs, wanted=3)
    pooled = folder / "pooled.py"
    pooled.write_text(POOLED)
    train = [*FEDCLI, "train", "-C", str(silo), "--dry-run", "-q", *secret]
    ours, theirs = turns(train, [PYTHON, str(pooled), str(table)], runs=max(runs // 2, 2))
    report(f"fedcli train, trip 1 ({size})", ours, "scikit-learn's pooled fit, read included", theirs)


def mixed(folder: Path, rows: int, columns: int, runs: int) -> None:
    """Compare the check of a table of numbers, counts, categories and a date, with rows held out, with reading it."""
    folder.mkdir(exist_ok=True)
    table = folder / "mixed.csv"
    names = make_mixed_table(table, rows, columns)
    features = {name: KINDS[name[0]] for name in names}
    silo, _ = joined_silo(folder, table, features, holdout=0.2)
    check = [*FEDCLI, "check", "-C", str(silo), "-q"]
    ours, theirs = turns(check, [PYTHON, "-c", READ, str(table)], runs=runs)
    size = f"{rows:,} rows x {columns} columns of four kinds, a fifth held out, {table.stat().st_size / 1e6:.0f} MB"
    report(f"fedcli check ({size})", ours, "Polars' own read of the file", theirs, wanted=3)


def large(folder: Path, rows: int, columns: int) -> None:
    """Print the peak memory of one silo's check and first trip on a table that is larger than either may be."""
    table = folder / "large.csv"
    make_table(table, rows, columns)
    silo, secret = joined_silo(folder / "large", table, numbers(columns))
    print(f"{rows:,} rows x {columns} columns, {table.stat().st_size / 1e6:,.0f} MB, peak memory (goal: below 600 MB):")
    for title, command in (("check", ["check", "-q"]), ("train", ["train", "--dry-run", "-q", *secret])):
        started = time.perf_counter()
        peak = peak_memory([*FEDCLI, command[0], "-C", str(silo), *command[1:]])
        verdict = "yes" if peak < LARGE_GOAL else "NO"
        print(f"  {title}: {peak / 1e6:.0f} MB ({verdict}), {time.perf_counter() - started:.0f} s")
    print()


def peak_memory(command: list[str]) -> int:
    """Run a command that must succeed; return the most memory that it held [bytes]."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n"
        "sys.exit(done.returncode)\n"
    )
    return int(run([PYTHON, "-c", code, *command]))


def numbers(columns: int) -> dict[str, str]:
    """Return what the agreement says of each column of `make_table`."""
    return {f"x{i}": NUMBER for i in range(columns)}


def joined_silo(folder: Path, table: Path, kinds: dict[str, str], *, holdout: float = 0) -> tuple[Path, list[str]]:
    """Agree on a study of two silos and let one join with ``table``; return its workspace and the passphrase option."""
    folder.mkdir(exist_ok=True)
    passphrase = folder / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    secret = ["--passphrase-file", str(passphrase)]
    for name in ("registry", "north", "south"):
        run([*FEDCLI, "keys", "new", name, "-o", str(folder), *secret])
    home = folder / "bench"
    run([*FEDCLI, "study", "init", str(home), "--key", str(folder / "registry.fedkey")])
    features = "\n".join(f"  {name}: {kind}" for name, kind in kinds.items())
    (home / "study.yaml").write_text(STUDY.format(features=features, holdout=holdout))
    for name in ("north", "south"):
        shown = run([*FEDCLI, "keys", "show", str(folder / f"{name}.fedpub"), "--json"])
        public = str(folder / f"{name}.fedpub")
        run([*FEDCLI, "study", "add-silo", public, "-C", str(home), "--fingerprint", field(shown, "fingerprint")])
    frozen = run([*FEDCLI, "study", "freeze", "-C", str(home), *secret, "--json"])
    silo = folder / "north"
    key, heard = str(folder / "north.fedkey"), field(frozen, "fingerprint")
    where = ["--key", key, "--data", str(table), "-C", str(silo), "--fingerprint", heard]
    run([*FEDCLI, "join", str(home / "outbox/bench.fedstudy"), *where, *secret])
    return silo, secret


def make_table(path: Path, rows: int, columns: int) -> None:
    """Write a table of random numbers with an outcome that five of its columns explain, a part at a time."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, rows, 250_000):
            X = rng.normal(size=(min(250_000, rows - start), columns)).clip(-7.9, 7.9)
            y = rng.random(len(X)) < 1 / (1 + np.exp(-(X[:, :5].sum(axis=1) - 1)))
            part = pl.DataFrame({**{f"x{i}": X[:, i] for i in range(columns)}, "y": y.astype(int)})
            part.write_csv(file, include_header=start == 0, float_precision=6)


def make_mixed_table(path: Path, rows: int, columns: int) -> list[str]:
    """Write a table of two thirds numbers, and counts, categories, a day and an outcome; return its features' names."""
    rng = np.random.default_rng(1)
    n_counts, n_categories = columns // 8, columns // 6
    found: dict[str, object] = {}
    for i in range(columns - n_counts - n_categories - 2):
        found[f"x{i}"] = rng.normal(size=rows).clip(-7.9, 7.9)
    for i in range(n_counts):
        found[f"n{i}"] = rng.poisson(4, size=rows)
    for i in range(n_categories):
        found[f"c{i}"] = np.array(["alpha", "beta", "gamma", "delta"])[rng.integers(0, 4, rows)]
    found["day"] = np.datetime64("2011-01-01") + rng.integers(0, 5_000, rows)
    names = list(found)
    pl.DataFrame({**found, "y": rng.integers(0, 2, rows)}).write_csv(path, float_precision=6)
    return names


def run(command: list[str]) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def field(text: str, name: str) -> str:
    """Return one field of a JSON object."""
    return str(json.loads(text)[name])


@dataclass(frozen=True)
class Taken:
    """Medians over some runs of a command: wall time, and processor time of all its threads [s]."""

    wall: float
    cpu: float


def turns(ours: list[str], theirs: list[str], *, runs: int) -> tuple[Taken, Taken]:
    """Run both commands in turns, once unmeasured and then ``runs`` times, and return the medians of each.

    The unmeasured run lets Python keep what it compiles, as an installation does, whatever the environment says.
    """
    environment = {**os.environ, **THREADS}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    found: tuple[list[Taken], list[Taken]] = ([], [])
    for number in range(runs + 1):
        for command, taken in zip((ours, theirs), found, strict=True):
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, env=environment)
            wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            taken += [Taken(wall, cpu)] if number else []
    mine, other = (
        Taken(statistics.median(one.wall for one in taken), statistics.median(one.cpu for one in taken))
        for taken in found
    )
    return mine, other


def report(what: str, ours: Taken, yardstick: str, theirs: Taken, *, wanted: float | None = None) -> None:
    """Print both times of each, and their ratios."""
    bound = f" (at most {wanted:g} is wanted: {'yes' if ours.wall <= wanted * theirs.wall else 'NO'})" if wanted else ""
    print(f"{what}: {ours.wall:.2f} s, of processors {ours.cpu:.2f} s")
    print(f"{yardstick}: {theirs.wall:.2f} s, of processors {theirs.cpu:.2f} s")
    print(f"ratio: {ours.wall / theirs.wall:.2f}{bound}, of processors {ours.cpu / theirs.cpu:.2f}\n")


if __name__ == "__main__":
    main()
