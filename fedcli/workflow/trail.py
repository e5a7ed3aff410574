"""The points at which a silo has summed: what a later trip's points are compared with.

Owns the files ``private/asked-*.safetensors``, one for each update that was made from a model. Knows nothing of what is
compared. Internal; nothing here ever leaves the institution.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fedcli.compute.update import Sums
from fedcli.fileformat import tensors
from fedcli.fileformat.statistics import State
from fedcli.workflow.workspace import write_bytes


def remember_points(folder: Path, update: str, state: State, sums: Sums) -> None:
    """Record where an update sums, before it may leave: a run that stops in between has recorded too much, not less.

    Parameters
    ----------
    folder : Path
    update : str
        Names the round, the attempt and the model that it continues.
    state : State
        The state of that model.
    sums : Sums
    """
    if not sums.points:
        # Round 1 has no point of the coordinator's, and a closed form none at all.
        return
    known = list(_files(folder))
    at = next((path for path, name, _ in known if name == update), folder / f"asked-{len(known) + 1:05d}.safetensors")
    kept = {name: array for name, array in state.arrays.items() if name.startswith("preparation.")}
    arrays = {name: np.ascontiguousarray(array) for name, array in (kept | dict(sums.points)).items()}
    held = tensors.TensorFile(arrays, {"update": update})
    write_bytes(at, b"".join(held.chunks()), force=True, mode=0o600)


def points_before(folder: Path, update: str) -> list[State]:
    """Return the points of all updates made before this one, oldest first, as states with the silo's own as ``own``."""
    found = []
    for _, name, arrays in _files(folder):
        if name == update:
            break
        found.append(State({}, arrays))
    return found


def _files(folder: Path) -> Iterator[tuple[Path, str, dict[str, np.ndarray]]]:
    for path in sorted(folder.glob("asked-*.safetensors")):
        held = tensors.decode([path.read_bytes()], None)
        arrays = {name: np.asarray(array, np.float64) for name, array in held.arrays.items()}
        yield path, held.metadata["update"], arrays
