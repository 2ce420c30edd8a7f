"""Sets of users: roaring bitmaps over the profile's primary key. Nothing else imports pyroaring.

Architecture, "sets of users are roaring bitmaps": ids fit 32 bits, and a set of millions is a few megabytes.
"""

from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import numpy as np
from django.db import connection, models
from psycopg.adapt import Dumper, Loader
from psycopg.postgres import types
from psycopg.pq import Format
from pyroaring import BitMap

from workspaces.binary import binary_cursor


def _bitmap(ids: Any) -> BitMap:
    """The bitmap of a numpy array of ids. pyroaring reads an ``array`` five times as fast as anything else."""
    words = array("I")
    words.frombytes(memoryview(ids.astype(np.uint32)).cast("B"))
    return BitMap(words)


class ProfileSet:
    """An immutable set of profile ids with set algebra."""

    __slots__ = ("_bits",)

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._bits = _bitmap(ids) if isinstance(ids, np.ndarray) else BitMap(ids)

    @classmethod
    def _of(cls, bits: BitMap) -> "ProfileSet":
        made = cls.__new__(cls)
        made._bits = bits
        return made

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> "ProfileSet":
        """The set that ``to_bytes`` wrote; empty data is the empty set."""
        return cls._of(BitMap.deserialize(bytes(data))) if len(data) else cls()

    @classmethod
    def from_int8send(cls, data: bytes | memoryview | None) -> "ProfileSet":
        """The ids in ``data``: 8-byte big-endian integers end to end, as from ``string_agg(int8send(id), '')``."""
        if not data:
            return cls()
        return cls._of(_bitmap(np.frombuffer(data, dtype=">i8")))

    @classmethod
    def from_packed(cls, data: bytes | memoryview | None) -> "ProfileSet":
        """The ids in ``data``, from the aggregate ``_PACK``; some at a time, since ``data`` may be large."""
        made = BitMap()
        for start in range(0, len(data or b""), _AT_ONCE):
            made |= _bitmap(np.frombuffer(memoryview(data or b"")[start : start + _AT_ONCE], dtype=">u4") ^ (1 << 31))
        return cls._of(made)

    @classmethod
    def union(cls, sets: Iterable["ProfileSet"]) -> "ProfileSet":
        """All ids of all ``sets``."""
        several = list(sets)
        if len(several) == 1:
            # Sets do not change: no copy.
            return several[0]
        return cls._of(BitMap.union(*(one._bits for one in several))) if several else cls()

    def to_bytes(self) -> bytes:
        """The set in roaring's portable format, runs compressed."""
        bits = self._bits.copy()
        bits.run_optimize()
        return bytes(bits.serialize()) if bits else b""

    def stored_size(self) -> int:
        """About how many bytes ``to_bytes`` takes, without making them."""
        return len(self._bits.serialize()) if self._bits else 0

    def __and__(self, other: "ProfileSet") -> "ProfileSet":
        return self._of(self._bits & other._bits)

    def __or__(self, other: "ProfileSet") -> "ProfileSet":
        return self._of(self._bits | other._bits)

    def __sub__(self, other: "ProfileSet") -> "ProfileSet":
        return self._of(self._bits - other._bits)

    def __len__(self) -> int:
        return len(self._bits)

    def __bool__(self) -> bool:
        return bool(self._bits)

    def __contains__(self, profile_id: int) -> bool:
        return profile_id in self._bits

    def __iter__(self) -> Iterator[int]:
        return iter(self._bits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProfileSet) and self._bits == other._bits

    def __hash__(self) -> int:
        return hash(self._bits.to_array().tobytes())

    def __repr__(self) -> str:
        return f"<ProfileSet of {len(self)}>"

    def intersection_size(self, other: "ProfileSet") -> int:
        """``len(self & other)`` without building the set."""
        return int(self._bits.intersection_cardinality(other._bits))

    def first(self, count: int) -> list[int]:
        """Up to ``count`` of the lowest ids."""
        return list(self._bits[:count])

    def sample(self, size: int, blocks: int = 200) -> "ProfileSet":
        """About ``size`` of the ids: so many blocks of neighbours, at even distances. The same set has one sample.

        Neighbours, because their rows lie together.
        """
        if len(self) <= size:
            return self
        blocks = min(blocks, size)
        starts = [block * len(self) // blocks for block in range(blocks)]
        return self._of(BitMap.union(*(self._bits[start : start + size // blocks] for start in starts)))

    def to_array(self) -> Any:
        """The ids in ascending order as a numpy array of unsigned 32-bit integers."""
        return np.frombuffer(self._bits.to_array(), dtype=np.uint32) if self._bits else np.empty(0, np.uint32)


class ProfileSetField(models.BinaryField):
    """A ``ProfileSet`` in a bytea column. Migrations set its storage to EXTERNAL: the value is compressed already."""

    description = "Set of profiles"
    # What the type checker takes a model's attribute for.
    _pyi_private_set_type: ProfileSet  # type: ignore[assignment]
    _pyi_private_get_type: ProfileSet  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", ProfileSet)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: bytes | memoryview | None, expression: Any, connection: Any) -> ProfileSet | None:
        return None if value is None else ProfileSet.from_bytes(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, ProfileSet):
            value = value.to_bytes()
        return super().get_db_prep_value(value, connection, prepared)

    def to_python(self, value: Any) -> Any:
        return value


#: Bytes of a packed set that are decoded at once.
_AT_ONCE: Final = 4_000_000
#: Aggregates ids into one value of 4 bytes each. Ids are unsigned, PostgreSQL's integers are not.
_PACK: Final = "string_agg(int4send(({column} - 2147483648)::int4), '')"
_sample: ContextVar[list[int] | None] = ContextVar("sample", default=None)


@contextmanager
def sampled(sample: ProfileSet) -> Iterator[None]:
    """Inside, ``profile_ids`` finds those of ``sample`` only, and is as quick as that is small."""
    token = _sample.set(list(sample))
    try:
        yield
    finally:
        _sample.reset(token)


def profile_ids(
    where: str, params: Iterable[Any] = (), source: str = "profiles_profile", column: str = "id"
) -> ProfileSet:
    """The ids (``column``) of the rows of ``source`` for which the SQL condition ``where`` holds, in one simple query.

    PostgreSQL aggregates the ids into one value, so that parallel workers do the reading and one row comes back.
    ``where``, ``source`` and ``column`` are SQL of ours; everything from outside goes into ``params``.
    """
    values = list(params)
    sample = _sample.get()
    if sample is not None:
        where, values = f"({where}) AND {column} = ANY(%s)", [*values, sample]
    statement = f"SELECT {_PACK.format(column=column)} FROM {source} WHERE {where}"  # noqa: S608
    with connection.cursor() as cursor:
        # Conditions are written for Django's cursors, which put the values into the text.
        whole = cursor.mogrify(statement, values)
    with binary_cursor() as cursor:
        cursor.execute(whole)
        return ProfileSet.from_packed(cursor.fetchone()[0])


class _SetDumper(Dumper):
    format = Format.BINARY
    oid = types["bytea"].oid

    def dump(self, obj: ProfileSet) -> bytes:
        return obj.to_bytes()


class _SetLoader(Loader):
    format = Format.BINARY

    def load(self, data: Any) -> ProfileSet:
        return ProfileSet.from_bytes(data)


@contextmanager
def set_cursor() -> Iterator[Any]:
    """A cursor for statements with large sets: a parameter may be a set, and a ``bytea`` column comes as one."""
    with binary_cursor() as cursor:
        cursor.adapters.register_dumper(ProfileSet, _SetDumper)
        cursor.adapters.register_loader("bytea", _SetLoader)
        yield cursor
