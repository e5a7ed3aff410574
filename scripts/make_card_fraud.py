"""Draw the card payments of three made-up banks, about one in a hundred of them fraudulent.

Owns ``sample_silos/card_fraud/*.csv``. Uses the standard library alone. Gives the same bytes on every machine: all
draws come from ``random.Random(SEED).random()``, whose sequence Python keeps, and are rounded before they are written.
"""

from __future__ import annotations

import csv
import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

SEED = 2015
FOLDER = Path(__file__).resolve().parent.parent / "sample_silos" / "card_fraud"
NORMAL = NormalDist()

MERCHANTS = ("grocery", "fuel", "travel", "online")
MERCHANT_RISK = {"grocery": 0.0, "fuel": 0.3, "travel": 0.4, "online": 0.6}


@dataclass(frozen=True)
class Bank:
    """What makes one bank's payments differ from another's."""

    name: str
    payments: int
    base: float  # log-odds of fraud for the reference payment
    merchants: tuple[float, float, float, float]  # shares, in the order of MERCHANTS
    typical_amount: float  # median, in euro
    typical_distance: float  # mean distance from home, in km
    chip: float  # share of payments with the card's chip
    account_years: float  # mean age of the account


BANKS = (
    Bank("alder", 12_000, -5.8, (0.32, 0.24, 0.20, 0.24), 38.0, 25.0, 0.62, 9.0),
    Bank("birch", 8_000, -6.2, (0.25, 0.23, 0.24, 0.28), 55.0, 60.0, 0.55, 5.0),
    Bank("cedar", 5_000, -5.3, (0.28, 0.26, 0.26, 0.20), 24.0, 15.0, 0.50, 3.0),
)


def payment(bank: Bank, source: random.Random) -> dict[str, str | int | float]:
    """Draw one payment: first its circumstances, then whether it was fraud, by a logistic model."""
    amount = min(5000.0, round(bank.typical_amount * math.exp(0.9 * NORMAL.inv_cdf(open_unit(source))), 2))
    hour = int(24 * max(source.random(), source.random()))
    distance = min(2000.0, round(-bank.typical_distance * math.log(open_unit(source)), 1))
    merchant = pick(bank.merchants, source)
    chip = source.random() < (0.15 if merchant == "online" else bank.chip)
    years = min(60.0, round(-bank.account_years * math.log(open_unit(source)), 1))
    log_odds = (
        bank.base
        + 0.006 * min(amount, 400.0)
        + 0.05 * hour
        + 0.006 * min(distance, 200.0)
        + MERCHANT_RISK[merchant]
        - 0.5 * chip
        - 0.05 * years
    )
    fraud = source.random() < 1 / (1 + math.exp(-log_odds))
    return {
        "amount": amount,
        "hour": hour,
        "distance_km": distance,
        "merchant": merchant,
        "chip": "yes" if chip else "no",
        "account_years": years,
        "fraud": int(fraud),
    }


def open_unit(source: random.Random) -> float:
    """Return a number strictly between 0 and 1."""
    return source.random() * (1 - 2**-40) + 2**-41


def pick(shares: tuple[float, ...], source: random.Random) -> str:
    """Return a merchant category with the given shares."""
    left = source.random()
    for name, share in zip(MERCHANTS, shares, strict=True):
        left -= share
        if left < 0:
            return name
    return MERCHANTS[-1]


def as_kept(bank: Bank, row: dict[str, str | int | float]) -> dict[str, str | int | float]:
    """Write a payment the way this bank keeps it: birch in cents, cedar with its own words for the chip."""
    if bank.name == "birch":
        row = {"amount_cents" if key == "amount" else key: value for key, value in row.items()}
        row["amount_cents"] = round(100 * float(row["amount_cents"]))
    if bank.name == "cedar":
        row["chip"] = {"yes": "CHIP", "no": "STRIPE"}[str(row["chip"])]
    return row


def make(folder: Path) -> None:
    """Write one table per bank into ``folder``."""
    source = random.Random(SEED)
    for bank in BANKS:
        rows = [as_kept(bank, payment(bank, source)) for _ in range(bank.payments)]
        with (folder / f"{bank.name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
