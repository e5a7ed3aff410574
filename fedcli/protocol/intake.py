"""Which updates belong to this round: the rules that a verified manifest must meet before its numbers are opened.

Owns the order of the checks. Sans-IO: manifests in, decisions or errors out. Stable.

An update is accepted when

- its study and roster are this study's,
- its round follows the current model's, and it continues that model (or the request that repeats it),
- its attempt is the one asked of that silo,
- its sender is a silo of the roster, and it is addressed to the coordinator,
- and no other update of the same silo for the same attempt exists. A second copy of the same file counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedcli.errors import OtherAttempt, OtherRound, OtherSilo, OtherStudy, SecondUpdate, SilosMissing, TooFewSilos
from fedcli.fileformat.manifest import Manifest
from fedcli.study.document import Study


@dataclass(frozen=True)
class Expected:
    """What the coordinator waits for.

    Parameters
    ----------
    study : Study
    digest, roster : str
        Ids of the study and of its roster.
    round : int
        The round that is collected.
    attempts : mapping of str to int
        The attempt asked of each silo.
    parents : frozenset of str
        Digests of the files that an update may continue: the current model, and requests that repeat it.
    """

    study: Study
    digest: str
    roster: str
    round: int
    attempts: Mapping[str, int]
    parents: frozenset[str]

    def check(self, manifest: Manifest, *, what: str) -> None:
        """Raise if a verified update does not fit.

        Raises
        ------
        OtherStudy, OtherSilo, OtherRound, OtherAttempt
        """
        if manifest.study != self.digest or manifest.roster != self.roster:
            raise OtherStudy(
                f"{what} belongs to study '{manifest.name}' ({manifest.study[:8]}), "
                f"this one is '{self.study.study}' ({self.digest[:8]})",
                hint=f"ask {manifest.sender} for the update of this study",
            )
        if manifest.sender not in self.study.silo_names:
            raise OtherSilo(f"{what} is from '{manifest.sender}', who is not a silo", hint="leave the file out")
        if self.study.coordinator is None or tuple(manifest.recipients) != (self.study.coordinator.name,):
            raise OtherSilo(f"{what} is not addressed to the coordinator", hint=f"call {manifest.sender}")
        if manifest.round != self.round:
            raise OtherRound(
                f"{what} is of round {manifest.round}, round {self.round} is being collected",
                hint=f"ask {manifest.sender} to train on the newest model"
                if manifest.round < self.round
                else "aggregate the earlier round first",
            )
        wanted = self.attempts[manifest.sender]
        if manifest.attempt != wanted:
            raise OtherAttempt(
                f"{what} is attempt {manifest.attempt} of round {self.round}, attempt {wanted} was asked for",
                hint=f"ask {manifest.sender} to train on the newest file that you sent",
            )
        if manifest.parent not in self.parents:
            raise OtherRound(
                f"{what} continues another model than the one you sent last",
                hint=f"ask {manifest.sender} to train on the newest model",
            )


@dataclass
class Intake:
    """Collects verified updates of one round, one per silo.

    Parameters
    ----------
    expected : Expected
    """

    expected: Expected
    accepted: dict[str, Manifest] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)

    def add(self, manifest: Manifest, *, what: str) -> bool:
        """Take a verified manifest; return False for a further copy of one that is already in.

        Raises
        ------
        SecondUpdate
            The silo sent two different updates for the same attempt: neither may be used.
        """
        self.expected.check(manifest, what=what)
        name = manifest.sender
        if name in self.accepted:
            if self.accepted[name].digest() != manifest.digest():
                raise SecondUpdate(
                    f"two different updates from '{name}' for round {manifest.round}, attempt {manifest.attempt}",
                    hint=f"call {name}: which one is theirs? Remove the other, or ask again with --new-attempt",
                )
            self.copies[name] += 1
            return False
        self.accepted[name] = manifest
        self.copies[name] = 1
        return True

    def complete(self, *, without: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the silos that are in, in the roster's order, if that is enough to go on.

        Raises
        ------
        SilosMissing, TooFewSilos, OtherSilo
        """
        study = self.expected.study
        for name in without:
            if name not in study.silo_names:
                raise OtherSilo(
                    f"'{name}' is not a silo of this study: {', '.join(study.silo_names)}", hint="check the spelling"
                )
        present = tuple(name for name in study.silo_names if name in self.accepted and name not in without)
        missing = [name for name in study.silo_names if name not in self.accepted and name not in without]
        if missing:
            least = study.rules.min_silos
            go_on = "or go on without it: fedcli aggregate " + " ".join(f"--without {name}" for name in missing)
            enough = len(present) >= least
            raise SilosMissing(
                f"round {self.expected.round} lacks the update of {', '.join(missing)} "
                f"({len(present)} of {len(study.silos)} are here)",
                hint=f"wait for it; {go_on}" if enough else f"wait for it: the study requires at least {least} silos",
            )
        if len(present) < study.rules.min_silos:
            raise TooFewSilos(
                f"{len(present)} silos are left, the study requires at least {study.rules.min_silos}",
                hint="wait for more updates",
            )
        return present
