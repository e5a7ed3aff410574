"""The screen of ``simulate``: progress on stderr, federated beside pooled on stdout. Internal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fedcli.cli.screen import Screen

if TYPE_CHECKING:
    from fedcli.workflow.results import Simulated
    from fedcli.workflow.simulate import Progress

# A map of a thousand columns would scroll everything else away.
_SHOWN = 100


def play(screen: Screen, directory: Path, study: Path | None, keep: Path | None) -> None:
    """Run the simulation and print it."""
    from fedcli.workflow.simulate import simulate

    with _progress(screen) as progress:
        found = simulate(directory, study=study, keep=keep, progress=progress)
    screen.object(
        study=found.study,
        estimator=found.estimator,
        silos=dict(found.silos),
        trips=found.trips,
        coefficients=[vars(c) for c in found.coefficients],
        relative_error=found.relative_error,
        grid_bias=found.grid_bias,
        steps=found.steps,
        bytes_sent=found.bytes_sent,
        evaluation=dict(found.evaluation),
        seconds=round(found.seconds, 2),
        medians=[vars(median) for median in found.medians],
        within_bounds=found.within,
        scores=[vars(score) for score in found.scores],
        kept=found.kept,
        model=found.model,
        choice=found.choice.document() if found.choice is not None else None,
    )
    _print(screen, found)


def _print(screen: Screen, found: Simulated) -> None:
    total = sum(found.silos.values())
    screen.result(f"{found.study}: {found.estimator}")
    screen.result(f"{total:,} training rows in {len(found.silos)} silos: " + _list(found.silos))
    trips = "1 trip" if found.trips == 1 else f"{found.trips} trips"
    screen.result(f"finished after {trips}; {found.bytes_sent / 1000:,.0f} kB sent in all")
    if found.choice is not None:
        screen.result(f"chosen {found.choice.says}:")
        lines = found.choice.lines()
        widest = max(len(name) for name, _ in lines)
        for name, said in lines:
            screen.result(f"  {name:<{widest}}  {said}")
    screen.result("")
    compared = found.scores or found.coefficients
    width, digits = max((len(c.name) for c in compared), default=0), 4 if found.scores else 8
    screen.result(f"{'':<{width}}  {'federated':>14}  {'pooled':>14}")
    for c in compared[:_SHOWN]:
        screen.result(f"{c.name:<{width}}  {c.federated:>14.{digits}g}  {c.pooled:>14.{digits}g}")
    if len(compared) > _SHOWN:
        screen.result(f"and {len(compared) - _SHOWN:,} more: fedcli simulate --json has them all")
    screen.result("")
    if found.relative_error is None:
        screen.result("trained at each silo and averaged: near the pooled fit, not equal to it")
    else:
        what = "the coefficients" if found.linear else "what was learnt, the largest"
        screen.result(f"relative difference of {what}: {found.relative_error:.1e}")
    if found.grid_bias is not None:
        screen.result("beside a fit of the exact times with one baseline, no coefficient differs by more than")
        screen.result(f"{found.grid_bias:.2g} standard errors: that is what the agreed intervals cost")
    if found.within is not None:
        screen.result(f"all pooled ones within the bounds that the result states: {'yes' if found.within else 'no'}")
    for median in found.medians:
        # Both fits are filled with the first: their difference says nothing of it.
        screen.result(f"{median.name} was filled with {median.federated:.6g}, the pooled median is {median.pooled:.6g}")
    if found.evaluation:
        figures = ", ".join(
            f"{name.replace('_', ' ')} {value:,.0f}" if name == "n_samples" else f"{name.replace('_', ' ')} {value:.4g}"
            for name, value in found.evaluation.items()
        )
        screen.result(f"on the rows held out, before the last step: {figures}")
    if found.kept is not None:
        screen.say(f"The files are in {found.kept}; the passphrase of its keys is in {found.kept / 'passphrase'}.")
    else:
        screen.say("The files are gone; add --keep NEW_DIR to look at them.")


def _list(silos: object) -> str:
    assert isinstance(silos, dict)  # noqa: S101 - a mapping of names to rows
    return ", ".join(f"{name} {n:,}" for name, n in silos.items())


@contextmanager
def _progress(screen: Screen) -> Iterator[Progress]:
    if screen.quiet or screen.as_json:
        yield lambda text, step, steps: None
        return
    if not sys.stderr.isatty():
        shown: list[str] = []

        def line(text: str, step: int, steps: int) -> None:
            head = text.split(":")[0]
            if head not in shown:
                shown.append(head)
                screen.say(head)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=None)
        yield lambda text, step, steps: bar.update(
            task, description=text, completed=step, total=steps if steps else None
        )
