"""Who is in a study, and with which keys.

Owns the look-up of members by name and by signing key, and the verification of a file against it. Knows nothing of
disk, rounds or screens. Internal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from fedcli.crypto.keys import PublicKey, fingerprint_of
from fedcli.crypto.signing import verify
from fedcli.crypto.sshsig import allowed_signers_line
from fedcli.errors import BadSignature, NotFrozen, OtherSilo, UnknownSigner
from fedcli.fileformat import canonical
from fedcli.fileformat.envelope import Envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.study.document import Member, Study

NAMESPACES = ("key@fedcli-v1", "study@fedcli-v1", "update@fedcli-v1", "model@fedcli-v1", "state@fedcli-v1")


@dataclass(frozen=True)
class Roster:
    """The members of a frozen study.

    Parameters
    ----------
    study : Study
        With its coordinator.
    """

    study: Study

    @property
    def coordinator(self) -> Member:
        """The coordinator's entry."""
        if self.study.coordinator is None:
            raise NotFrozen("the study is still a draft", hint="the coordinator runs: fedcli study freeze")
        return self.study.coordinator

    @cached_property
    def members(self) -> dict[str, PublicKey]:
        """Every member's key by name, the coordinator's included."""
        everyone = (*self.study.silos, self.coordinator)
        return {member.name: PublicKey.from_document(dict(member.key)) for member in everyone}

    @cached_property
    def digest(self) -> str:
        """Hash of all names and keys, 64 hexadecimal digits."""
        everyone = [{"name": name, "key": key.to_document()} for name, key in sorted(self.members.items())]
        return hashlib.sha256(canonical.dumps(everyone)).hexdigest()

    def verified(self, envelope: Envelope, *, what: str = "the file") -> Manifest:
        """Verify a file's signatures against the roster and return its manifest: verified first, parsed second.

        Raises
        ------
        UnknownSigner
            Nobody in the roster has the signing key.
        BadSignature
            A signature does not verify, or the file names another sender than the one who signed it.
        """
        for name, key in self.members.items():
            if key.ed25519 == envelope.signer:
                manifest = verify_as(envelope, key)
                if manifest.sender != name:
                    raise BadSignature(
                        f"{what} says it is from '{manifest.sender}' but '{name}' signed it",
                        hint=f"do not use it; call {name} and ask what they sent",
                    )
                return manifest
        raise UnknownSigner(
            f"{what} is signed by a key that is not in the roster of study '{self.study.study}'",
            hint="it belongs to another study, or to somebody who is not enrolled: ask the sender for the right file",
        )

    def own_name(self, key: PublicKey) -> str:
        """Return the name under which ``key`` is enrolled.

        Raises
        ------
        OtherSilo
            The key is not in the roster.
        """
        for name, member in self.members.items():
            if member.ed25519 == key.ed25519 and member.mldsa65 == key.mldsa65:
                return name
        raise OtherSilo(
            f"the key of '{key.name}' is not in the roster of study '{self.study.study}'",
            hint="use the key whose .fedpub file was sent to the coordinator",
        )

    def allowed_signers(self) -> str:
        """Return the roster in OpenSSH's ``allowed_signers`` form, for ``ssh-keygen -Y verify``."""
        return "".join(
            allowed_signers_line(name, key.ed25519, NAMESPACES).rstrip("\n") + "\n"
            for name, key in self.members.items()
        )


def verify_as(envelope: Envelope, key: PublicKey) -> Manifest:
    """Verify both signatures with ``key`` and return the manifest."""
    return envelope.verified(lambda namespace, message, signatures: verify(key, namespace, message, signatures))


def study_fingerprint(study_digest: str) -> str:
    """Return the 30 digits that the coordinator reads aloud: they cover the agreement and every key in it."""
    return fingerprint_of(bytes.fromhex(study_digest), "study")
