"""Secrets that we must be able to read again (what a destination wants from us) are encrypted at rest."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction


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


class UnreadableSecretsError(Exception):
    """A stored value that none of FIELD_ENCRYPTION_KEYS decrypts."""


def secrets_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Every model of the installation with encrypted secrets, and the name of its field."""
    for model in apps.get_models():
        for one in model._meta.local_fields:
            if isinstance(one, SecretsField):
                yield model, one.name


def reencrypt(model: type[models.Model], name: str, *, chunk: int = 500) -> int:
    """Encrypt the field ``name`` of every row of ``model`` with the newest key; how many rows. Empty ones stay empty.

    Works in transactions of ``chunk`` rows; one that breaks off can be started again. Raises UnreadableSecretsError
    and changes nothing of the chunk when a value was encrypted with a key that is no longer in FIELD_ENCRYPTION_KEYS.
    """
    done, last = 0, 0
    while True:
        with transaction.atomic():
            rows = _next_rows(model, name, last, chunk)
            if not rows:
                return done
            _rewrite(model, name, rows)
        done, last = done + len(rows), rows[-1][0]


def _next_rows(model: type[models.Model], name: str, after: int, count: int) -> list[tuple[int, bytes]]:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT id, "{name}" FROM "{table}"'  # noqa: S608 - names of our models
            f' WHERE id > %s AND length("{name}") > 0 ORDER BY id LIMIT %s FOR UPDATE',
            [after, count],
        )
        return [(row_id, bytes(value)) for row_id, value in cursor.fetchall()]


def _rewrite(model: type[models.Model], name: str, rows: list[tuple[int, bytes]]) -> None:
    table = model._meta.db_table
    try:
        values = [cipher().rotate(value) for _, value in rows]
    except InvalidToken:
        raise UnreadableSecretsError(
            f"{model._meta.label}: a value among the ids {rows[0][0]} to {rows[-1][0]} was encrypted with a key "
            "that is not in FIELD_ENCRYPTION_KEYS. Add that key at the end of the list and start again."
        ) from None
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{table}" SET "{name}" = new.value'  # noqa: S608 - names of our models
            f' FROM unnest(%s::bigint[], %s::bytea[]) AS new (id, value) WHERE "{table}".id = new.id',
            [[row_id for row_id, _ in rows], values],
        )
