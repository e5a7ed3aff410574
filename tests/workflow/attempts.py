"""Further attempts of round 1 with other rows at one silo, for tests of what two updates show together."""

from __future__ import annotations

from fedcli.workflow.memory import SiloMemory
from tests.workflow.play import Town, table_text


def next_attempt(place: Town, records: list[dict[str, str]], attempt: int = 2) -> None:
    """Ask for a new attempt of round 1, and lay north's table for it."""
    assert place.run("aggregate", "--new-attempt", "-C", place.registry).status == 0
    place.deliver(place.model(0, f"-a{attempt}"))
    place.table("north").write_text(table_text(records))


def levels_sent(place: Town, levels: tuple[str, ...]) -> dict[str, int]:
    """Return how many rows of each level of the last category north's last update shows."""
    memory = SiloMemory(place.silo("north") / "private")
    found = memory.recall(memory.last_digest())
    assert found is not None
    return dict(zip(levels, found.arrays["levels"].round().astype(int).tolist()[-len(levels) :], strict=True))
