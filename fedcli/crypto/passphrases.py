"""Passphrases: one made for the user, and the shortest that is accepted.

Owns both rules. Knows nothing of files. Internal; `keys` hands them on.
"""

from __future__ import annotations

import secrets
from typing import Final

from fedcli.errors import WeakPassphrase

SHORTEST: Final = 14
_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"
_WORDS = 5


def new_passphrase() -> str:
    """Return a new random passphrase: five pronounceable words of five letters, 80 bits.

    Each word is a proquint: consonant, vowel, consonant, vowel, consonant from 16 consonants and 4 vowels, which is 16
    bits. It needs no word list to ship or translate, is read aloud over the phone in any European language, and has no
    digit, capital or letter pair that is mistaken for another. Six words of a 2048-word list would have 66 bits.

    References
    ----------
    Wilkerson, A Proposal for Proquints (2009), arXiv:0901.4016.
    """
    pattern = (_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS, _CONSONANTS)
    return "-".join("".join(secrets.choice(letters) for letters in pattern) for _ in range(_WORDS))


def check_passphrase(passphrase: str) -> None:
    """Refuse a passphrase that is too short.

    Length is the only rule: rules about kinds of characters make passphrases harder to remember and hardly harder to
    guess (NIST SP 800-63B, section 3.1.1.2).

    Raises
    ------
    WeakPassphrase
        Fewer than 14 characters, or characters that have no bytes in UTF-8.
    """
    if len(passphrase) < SHORTEST:
        raise WeakPassphrase(
            f"the passphrase has {len(passphrase)} characters, at least {SHORTEST} are needed",
            hint="use a few words that do not belong together, or take the one that fedcli proposes",
        )
    try:
        passphrase.encode()
    except UnicodeEncodeError:
        # from None: the original error carries the passphrase.
        raise WeakPassphrase(
            "the passphrase holds a character that cannot be written as UTF-8",
            hint="type it again in a terminal set to UTF-8, or read it from a file with --passphrase-file",
        ) from None
