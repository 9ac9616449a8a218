"""Keys as people write them, and what is no key."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lakeward.domain.signing import fingerprint_of, is_signed_by, new_pair, public_of, read_secret, signer_of
from lakeward.errors import SpecError


def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_pair_signs_and_is_checked() -> None:
    secret, public = new_pair()
    signer = signer_of(secret)
    assert signer.public == public
    assert signer.trusted == {fingerprint_of(public)}
    signature = signer.sign(b"figures")
    assert is_signed_by(public, b"figures", signature)
    assert not is_signed_by(public, b"figurez", signature)
    assert not is_signed_by(new_pair()[1], b"figures", signature)
    assert secret not in repr(signer)


def test_one_signature_has_one_text() -> None:
    """The last sign of base64 holds bits that say nothing: they must not be changed unseen."""
    secret, public = new_pair()
    signature = signer_of(secret).sign(b"x")
    others = [signature[:-3] + c + "==" for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"]
    same = [text for text in others if base64.b64decode(text) == base64.b64decode(signature)]
    assert len(same) > 1
    assert [text for text in same if is_signed_by(public, b"x", text)] == [signature]


def test_a_key_may_be_pem() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    text = pem(key)
    assert read_secret(text) == key.private_bytes_raw()
    assert read_secret(text.replace("\n", "\\n")) == key.private_bytes_raw(), "as JSON in an environment file has it"


def test_others_may_be_trusted_by_key_or_fingerprint() -> None:
    (secret, public), (_, old), (_, older) = new_pair(), new_pair(), new_pair()
    signer = signer_of(secret, [old, fingerprint_of(older)])
    assert signer.trusted == {fingerprint_of(key) for key in (public, old, older)}
    reader = signer_of("", old)
    assert (reader.public, reader.trusted) == ("", {fingerprint_of(old)})


@pytest.mark.parametrize("text", ["secret", "c2hvcnQ=", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"])
def test_what_is_no_key_is_refused_unseen(text: str) -> None:
    with pytest.raises(SpecError) as refused:
        signer_of(text)
    assert text not in str(refused.value)
    with pytest.raises(SpecError, match="no Ed25519 key"):
        signer_of(pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(SpecError, match="not 32 bytes"):
        fingerprint_of("nonsense")


def test_the_public_key_follows_from_the_secret() -> None:
    secret, public = new_pair()
    assert public_of(read_secret(secret)) == public
