"""Keys that programs show us: 256 random bits, shown once, stored as SHA-256, looked up by hash."""

import hashlib
import secrets
from dataclasses import dataclass, field

#: Shown of a key, so that people tell keys apart: so many characters, of a short key no more than a quarter.
PREFIX_LENGTH = 8


@dataclass(frozen=True)
class NewKey:
    """A key just made. ``secret`` is shown once and kept nowhere; ``prefix`` and ``digest`` are what is stored."""

    secret: str = field(repr=False)
    prefix: str
    digest: bytes = field(repr=False)


def new_key() -> NewKey:
    """Draw a new key of 256 random bits, as 64 hexadecimal digits (letters and digits survive every client's form)."""
    return describe_key(secrets.token_hex(32))


def describe_key(secret: str) -> NewKey:
    """What is stored of ``secret``: its first characters and its digest."""
    return NewKey(secret=secret, prefix=secret[: min(PREFIX_LENGTH, len(secret) // 4)], digest=digest_of(secret))


def digest_of(secret: str) -> bytes:
    """SHA-256 of a key. No salt, no stretching: the key itself holds 256 bits, and an index must find the digest."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
