"""What an agreement fixes for a model, as numbers: sizes, bounds, folds, classes.

Owns the dataclass. Knows nothing of a study's form, of files or silos. Internal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LocalTraining:
    """How a model that is trained at each silo becomes one.

    Parameters
    ----------
    rule : str
        ``FedAvg``, ``FedProx`` or ``SCAFFOLD``.
    local_epochs : int
        Passes over a silo's rows in each trip.
    rounds : int
        Trips that train.
    proximal : float
        FedProx's strength; 0 for other rules.
    study : str
        The study's id: what is random follows from it and the round alone.
    """

    rule: str
    local_epochs: int
    rounds: int
    proximal: float
    study: str


@dataclass(frozen=True)
class Setting:
    """Everything that a family may have to know of the agreement.

    Parameters
    ----------
    names : tuple of str
        The design's columns after the intercept.
    kinds : tuple of str
        What each of these is: ``number``, ``count``, ``level``, ``flag`` (of a missing value) or ``derived``.
    lows : tuple of float
        The smallest agreed value of each, on its own scale.
    levels : tuple of int
        How many each category has, in the design's order.
    n_expanded : int
        Expanded columns, the intercept included (see `preparing.columns`).
    target : str
        ``binary``, ``category``, ``number``, ``count``, ``survival`` or ``none``.
    n_classes : int
        Of a binary, category or survival target; 0 for others.
    largest_y : float
        Upper end of a count target's range; 1 for others.
    target_half : float
        Half of a number target's range: what is 1 on the reference scale; 1 for others.
    max_rows, pool_rows : float
        Most rows of one silo, and of all together.
    largest_weight, largest_offset : float
    weighted : bool
        Whether rows carry weights of their own.
    n_silos : int
    min_cell : float
        Smallest number of equal rows that a sum at a point may be worth.
    max_coefficient, tolerance : float
    max_rounds : int
    closing_trip : bool
    folds : int
        Folds of a cross-validation; 1 without one.
    standardize : bool
    first_time, last_time : float
        Ends of a survival target's range; 0 for others.
    wholes : tuple of (str, tuple of int)
        Name and columns of the design, the intercept at 0, of each feature and term.
    interacting : bool
        Whether terms multiply features.
    dummies : mapping of str to tuple of int
        By category: the design's columns of its levels after the first.
    target_range : (float, float)
        Of a number or count target, in its own unit; 0 to 1 for others.
    within : tuple of (int, int)
        Of expanded columns: one, and another that is 1 wherever the first is not 0 (see `models.moments.GroupedSums`).
    squared : tuple of int
        Expanded columns that are numbers: all others are 0 or 1.
    scaled : tuple of bool
        Which of the design's columns after the intercept are standardised.
    local : LocalTraining, optional
        Of an estimator that is trained at each silo.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    lows: tuple[float, ...]
    levels: tuple[int, ...]
    n_expanded: int
    target: str
    n_classes: int
    largest_y: float
    target_half: float
    max_rows: float
    pool_rows: float
    largest_weight: float
    largest_offset: float
    weighted: bool
    n_silos: int
    max_coefficient: float
    tolerance: float
    max_rounds: int
    closing_trip: bool
    folds: int
    standardize: bool
    first_time: float = 0.0
    last_time: float = 0.0
    dummies: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    target_range: tuple[float, float] = (0.0, 1.0)
    wholes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    interacting: bool = False
    within: tuple[tuple[int, int], ...] = ()
    squared: tuple[int, ...] = ()
    scaled: tuple[bool, ...] = ()
    local: LocalTraining | None = None
    min_cell: float = 0.0

    @property
    def n_columns(self) -> int:
        """Columns of the design, the intercept included."""
        return 1 + len(self.names)
