"""Secrets that we must be able to read again (what a destination wants from us) are encrypted at rest."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


@lru_cache(maxsize=4)
def _cipher_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def cipher() -> MultiFernet:
    """The cipher of the setting FIELD_ENCRYPTION_KEYS: its first key encrypts, each of them decrypts."""
    return _cipher_of(tuple(settings.FIELD_ENCRYPTION_KEYS))


class Secrets(dict[str, str]):
    """Named secrets of one row. Its repr and str never show a value, so that no log and no error page can."""

    def __repr__(self) -> str:
        return f"<Secrets {', '.join(sorted(self)) or 'none'}>"

    __str__ = __repr__


class SecretsField(models.BinaryField):
    """A small mapping of names to secret strings, stored as one encrypted value. Empty: no secret is set."""

    description = "Encrypted secrets"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", Secrets)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: bytes | memoryview | None, expression: Any, connection: Any) -> Secrets:
        return Secrets(orjson.loads(cipher().decrypt(bytes(value)))) if value else Secrets()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, Mapping):
            value = cipher().encrypt(orjson.dumps(dict(value)))
        return super().get_db_prep_value(value, connection, prepared)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        """Dumps carry no secret."""
        return ""
