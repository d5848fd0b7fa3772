"""Signatures of bundles: Ed25519 over ``bundle.json``, whose SHA-256 of the manifest leads to everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from mirror.config import read_file
from mirror.errors import InputError

SIGNATURE_SIZE: Final = 64
_MAX_KEY: Final = 64 << 10


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Reads a key to sign with, PEM without a password (raises `InputError` if the file is none)."""
    expected = "expected an Ed25519 private key in PEM, as openssl genpkey -algorithm ed25519 makes it"
    try:
        key = load_pem_private_key(read_file(path, _MAX_KEY), None)
    except TypeError:
        raise InputError(f"{path}: a key with a password; {expected}, without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"{path}: not a private key; {expected}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: another kind of key; {expected}")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Reads a key to verify with, PEM (raises `InputError` if the file is none)."""
    expected = "expected an Ed25519 public key in PEM, as openssl pkey -pubout writes it"
    try:
        key = load_pem_public_key(read_file(path, _MAX_KEY))
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"{path}: not a public key; {expected}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path}: another kind of key; {expected}")
    return key


def is_signed_by(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether a signature is that of a key."""
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True
