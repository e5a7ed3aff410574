"""Errors of trust: a file is not from whom it says, or was changed on its way.

Owns the codes E4xx; each class is one. A code is never reused. Stable: callers branch on the class.
"""

from __future__ import annotations

from fedcli.errors.base import TrustError


class BadSignature(TrustError):
    """A signature does not verify."""

    code = "E401"


class UnknownSigner(TrustError):
    """The signer is not in the roster of the study."""

    code = "E402"


class WrongRecipient(TrustError):
    """The file is not encrypted to this key."""

    code = "E403"


class Truncated(TrustError):
    """Bytes are missing at the end, or were added."""

    code = "E404"
    default_hint = "ask the sender to send the file again; mail gateways sometimes cut attachments"


class Altered(TrustError):
    """The contents differ from what was signed."""

    code = "E405"
    default_hint = "ask the sender to send the file again, and tell them that this copy was changed on its way"


class FingerprintMismatch(TrustError):
    """The fingerprint read on the phone is not the one of the file."""

    code = "E406"


class WeakKey(TrustError):
    """A public key is one of the known weak ones."""

    code = "E407"


class BindingMismatch(TrustError):
    """The contents belong to another file than the one they came in."""

    code = "E408"


class KeyChanged(TrustError):
    """A name that is already enrolled came with another key."""

    code = "E409"


class LedgerBroken(TrustError):
    """The ledger was edited or cut."""

    code = "E410"


class LedgerRewound(TrustError):
    """The ledger is not the one that was written last: its end was cut, or an older copy put back."""

    code = "E411"


class BadApproval(TrustError):
    """A reviewer's approval is not of the update or sheet that it comes with."""

    code = "E419"
