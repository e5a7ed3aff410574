"""Towns at each stage of one study, made once; each test plays in a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from fedcli.crypto import keys
from tests.workflow.play import Town, agreement, copied, found_town

At = Callable[..., Town]


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of the machine's own settings: no passphrase, 80 columns, no colour."""
    monkeypatch.delenv("FEDCLI_PASSPHRASE_FILE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")


@pytest.fixture(scope="session", autouse=True)
def _keys_looked_at_once() -> Iterator[None]:
    """Remember which public keys are sound: these tests open the same five thousands of times, at 8 ms each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "check_ed25519", lru_cache(keys.check_ed25519))
        yield


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Town]:
    """Return the town at a stage: keys, drafted, joined, collected, second (round 1 is merged) or finished."""
    made: dict[str, Town] = {}

    def after(stage: str, before: str) -> Town:
        return copied(stages(before), tmp_path_factory.mktemp(stage))

    def stages(stage: str) -> Town:
        if stage in made:
            return made[stage]
        if stage == "keys":
            town = found_town(tmp_path_factory.mktemp(stage))
        elif stage == "drafted":
            town = after(stage, "keys")
            town.draft(agreement())
        elif stage == "joined":
            town = after(stage, "drafted")
            town.freeze()
        elif stage == "collected":
            town = after(stage, "joined")
            town.collect()
        elif stage == "second":
            town = after(stage, "collected")
            town.deliver(town.aggregate().model)
        elif stage == "finished":
            town = after(stage, "second")
            town.finish()
        else:
            raise KeyError(stage)
        made[stage] = town
        return town

    return stages


@pytest.fixture
def town(stages: Callable[[str], Town], tmp_path: Path) -> At:
    """Return a function: a copy of the town at a stage, or a new study on another agreement or other tables."""

    def at(stage: str = "joined", *, text: str | None = None, tables: dict[str, str] | None = None) -> Town:
        root = tmp_path / f"town{len(list(tmp_path.glob('town*')))}"
        if text is None and tables is None:
            return copied(stages(stage), root)
        own = copied(stages("keys"), root)
        for name, content in (tables or {}).items():
            own.table(name).write_text(content)
        own.draft(text or agreement())
        if stage != "drafted":
            own.freeze()
        return own

    return at
