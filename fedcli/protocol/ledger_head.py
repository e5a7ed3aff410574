"""What a silo knows of its ledger beside it: how long it is, how it ends, and which line comes next, signed.

Owns the form of ``private/ledger.json`` and the comparison. Knows nothing of disk. Internal; the form is documented in
``docs/format.md``.

A chain shows neither that its end was cut nor that somebody who can compute a hash wrote it anew. So the head is kept
apart, under the silo's signature, which needs its passphrase: a secret that lies in the same folder would not do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fedcli.crypto.keys import PublicKey
from fedcli.crypto.signing import Signatures, verify
from fedcli.errors import FedcliError, LedgerBroken, LedgerRewound
from fedcli.fileformat import canonical
from fedcli.fileformat.manifest import MAJOR
from fedcli.protocol.ledger import START, Ledger, hash_of

NAMESPACE = f"ledger@fedcli-v{MAJOR}"
NEWEST = (
    "restore the newest ledger.jsonl from a backup, and tell your data-protection officer; it records what has left"
)
SAME_DAY = (
    "restore private/ of the same day as ledger.jsonl; without one, leave both as they are, tell your data-protection "
    "officer, and join again in another folder"
)
_LIMIT = 2**18
_SIGNED_BY = {"sshsig", "mldsa65"}


@dataclass(frozen=True)
class LedgerHead:
    """Where a ledger ends, and what is about to be appended to it.

    Parameters
    ----------
    lines : int
        Lines that are certainly on disk.
    head : str
        Hash of the last of them; zeros when there is none.
    announced : bytes
        The line that is about to be written, without its LF; empty once it is confirmed.
    """

    lines: int = 0
    head: str = START
    announced: bytes = b""

    @classmethod
    def of(cls, ledger: Ledger, announced: bytes = b"") -> LedgerHead:
        """Return where a ledger ends that was read from disk."""
        return cls(len(ledger.entries), ledger.head, announced)

    def to_bytes(self, study: str, silo: str, sign: Callable[[str, bytes], Signatures]) -> bytes:
        """Return the signed document.

        Parameters
        ----------
        study, silo : str
            Whose ledger it is: the study's digest, and the silo's name in it.
        sign : callable
            Given a namespace and a message, returns the silo's signatures.
        """
        document = {
            "study": study,
            "silo": silo,
            "lines": self.lines,
            "head": self.head,
            "next": self.announced.decode("ascii"),
        }
        made = sign(NAMESPACE, canonical.dumps(document))
        signed = {"sshsig": made.sshsig.decode("ascii"), "mldsa65": made.mldsa65.decode("ascii")}
        return canonical.dumps(document | signed)

    @classmethod
    def from_bytes(cls, data: bytes, study: str, silo: str, key: PublicKey) -> LedgerHead:
        """Verify a document and read it.

        Parameters
        ----------
        data : bytes
        study, silo : str
        key : PublicKey
            The silo's.

        Raises
        ------
        LedgerRewound
            It is damaged, of another study or silo, or not signed by this one.
        """
        try:
            document = canonical.loads(data, limit=_LIMIT)
            signatures = Signatures(*(document[name].encode("ascii") for name in ("sshsig", "mldsa65")))
            said: dict[str, Any] = {name: value for name, value in document.items() if name not in _SIGNED_BY}
            verify(key, NAMESPACE, canonical.dumps(said), signatures)
            if (said["study"], said["silo"]) != (study, silo):
                raise KeyError("study")
            return cls(said["lines"], said["head"], said["next"].encode("ascii"))
        except (FedcliError, LookupError, TypeError, AttributeError, ValueError) as exc:
            raise LedgerRewound(
                f"private/ledger.json is not as this silo signed it: it was damaged or edited, or is not that of {silo}"
                " in this study; nothing else here says how the ledger ends",
                hint=SAME_DAY,
            ) from exc

    def confirms(self, ledger: Ledger) -> bool:
        """Compare with the ledger; return False where its last line is the announced one, which nobody confirmed yet.

        Raises
        ------
        LedgerRewound, LedgerBroken
            The chain holds, and is not the one that was written here; or its end is half a line too many.
        """
        lines = len(ledger.entries)
        if lines < self.lines:
            raise LedgerRewound(
                f"the ledger has {lines:,} of {self.lines:,} lines that were written: its end was cut, or an older "
                "copy put back",
                hint=NEWEST,
            )
        if (ledger.head if lines == self.lines else ledger.entries[self.lines]["previous"]) != self.head:
            raise LedgerRewound(f"line {self.lines} of the ledger is not the one that was written here", hint=NEWEST)
        if ledger.torn and lines > self.lines:
            raise LedgerBroken(f"line {lines + 1} of the ledger is cut off", hint=NEWEST)
        if lines == self.lines:
            return True
        if lines > self.lines + 1 or not self.announced or ledger.head != hash_of(self.announced):
            raise LedgerRewound(
                f"the ledger has {lines:,} lines, and line {self.lines + 1:,} is none that private/ knows of: it was "
                "added by hand, or private/ is an older copy",
                hint=f"restore ledger.jsonl from a backup; if it is private/ that is older, {SAME_DAY}",
            )
        return False
