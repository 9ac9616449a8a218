"""Ed25519: a pair of keys, a signature, and whether it is right. Pure; the key comes from a connection."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from lakeward.errors import SpecError

_FINGERPRINT = re.compile(r"^[0-9a-f]{64}$")
_TODO = "Make a pair with `lakeward evidence keygen`."


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs records, and whose signatures are trusted (fingerprints, the own one among them).

    Without a secret it signs nothing; without trusted fingerprints a right signature is told, and not who made it.
    """

    secret: bytes = field(default=b"", repr=False)
    trusted: frozenset[str] = frozenset()

    @property
    def public(self) -> str:
        """The public key in base64; empty when there is no secret."""
        return public_of(self.secret) if self.secret else ""

    def sign(self, data: bytes) -> str:
        """The signature in base64."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return _text(Ed25519PrivateKey.from_private_bytes(self.secret).sign(data))


UNSIGNED = Signer()
"""Signs nothing, trusts nobody in particular."""


def signer_of(secret: str, trusted: object = ()) -> Signer:
    """A signer from what a connection holds: its password, and the extra ``trusted`` (one key, or a list of them).

    SpecError when a key can't be read; the secret is never shown.
    """
    others = [trusted] if isinstance(trusted, str) else list(trusted) if isinstance(trusted, list | tuple) else []
    own = read_secret(secret) if secret.strip() else b""
    fingerprints = {fingerprint_of(str(key)) for key in others}
    if own:
        fingerprints.add(fingerprint_of(public_of(own)))
    return Signer(own, frozenset(fingerprints))


def new_pair() -> tuple[str, str]:
    """A new secret key and its public key, both in base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = Ed25519PrivateKey.generate().private_bytes_raw()
    return _text(secret), public_of(secret)


def read_secret(text: str) -> bytes:
    """The 32 bytes of a secret key that is written in base64 or as PEM (PKCS 8); SpecError when it is another thing."""
    if "PRIVATE KEY" not in text:
        return _bytes(text, "The signing key")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # its reason might quote the key
        raise SpecError("The signing key can't be read as PEM without a passphrase.", todo=_TODO) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SpecError("The signing key is no Ed25519 key.", todo=_TODO)
    return key.private_bytes_raw()


def public_of(secret: bytes) -> str:
    """The public key of a secret one, in base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _text(Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw())


def fingerprint_of(key: str) -> str:
    """The fingerprint, 64 hex digits: sha256 of a public key in base64. A fingerprint is its own; SpecError for other text."""
    key = key.strip()
    if _FINGERPRINT.match(key):
        return key
    return hashlib.sha256(_bytes(key, f"The public key {key!r}")).hexdigest()


def is_signed_by(public: str, data: bytes, signature: str) -> bool:
    """Whether the signature over these bytes was made by the secret key of this public one."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        made = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(_bytes(public, "The public key")).verify(made, data)
    except (InvalidSignature, SpecError, ValueError):
        return False
    return _text(made) == signature  # base64 has more than one text for the same bytes


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 32:
        raise SpecError(f"{what} is not 32 bytes in base64.", todo=_TODO)
    return data
