"""One update's manifest, and people with keys of their own: for tests of what is sealed and read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from fedcli.crypto.keys import PublicKey, SecretKey, generate
from fedcli.crypto.signing import Signatures, sign
from fedcli.fileformat.manifest import Manifest

# As `seal` gets it: the payload is what sealing adds.
MANIFEST = Manifest(
    type="fedcli-update/1",
    study="ab" * 32,
    name="heart",
    roster="cd" * 32,
    round=1,
    attempt=1,
    parent="ab" * 32,
    sender="north",
    recipients=["registry"],
    previous="",
    ledger="0" * 64,
    final=False,
    software="fedcli 0.1.0",
)


@cache
def person(name: str) -> tuple[SecretKey, PublicKey]:
    """Return somebody's keys: the same ones each time."""
    secret, mask_secret = generate(name)
    return secret, secret.public(mask_secret)


def signer(name: str) -> Callable[[str, bytes], Signatures]:
    """Return what signs for somebody, as `seal` calls it."""
    return lambda namespace, message: sign(person(name)[0], namespace, message)
