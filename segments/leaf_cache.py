"""Sets of users that questions were found to have, kept in Valkey for the next who asks. All of it may be lost.

A kept set is good while no data that it is made from has changed (``profiles.versions``). Where that data changes all
the time, it is used until it is ``SEGMENT_CACHE_BUSY_SECONDS`` old, and so is one that depends on the present moment.
Nothing lives longer than ``SEGMENT_CACHE_SECONDS``, and all of it together takes ``SEGMENT_CACHE_BYTES`` at most.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from django.conf import settings
from redis import RedisError

from profiles.sets import ProfileSet
from profiles.versions import Age, Kind, Present, Reading, present
from segments.filters.base import Context, UnusableError
from workspaces.valkey import ask

#: To be counted up when what is kept takes another form.
_FORM: Final = 1
_PREFIX: Final = f"brazeclone:leaves:{_FORM}"
#: All that is kept: by the time when it was; and the size of each, with their sum under the empty name.
_TIMES, _SIZES = f"{_PREFIX}:times", f"{_PREFIX}:sizes"
#: Who finds a set has it to themselves for so long.
CLAIM_SECONDS: Final = 15

#: Keeps ARGV[1] under KEYS[1] and makes room. ARGV[2], ARGV[3]: now and its life, in milliseconds; ARGV[4]: the room.
_KEEP: Final = """
local value, times, sizes = KEYS[1], KEYS[2], KEYS[3]
local now, life, room = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function drop(key)
  redis.call('UNLINK', key)
  redis.call('ZREM', times, key)
  redis.call('HINCRBY', sizes, '', -(tonumber(redis.call('HGET', sizes, key)) or 0))
  redis.call('HDEL', sizes, key)
end
drop(value)
for _, key in ipairs(redis.call('ZRANGEBYSCORE', times, '-inf', now - life)) do drop(key) end
redis.call('SET', value, ARGV[1], 'PX', life)
redis.call('ZADD', times, now, value)
redis.call('HSET', sizes, value, #ARGV[1])
redis.call('HINCRBY', sizes, '', #ARGV[1])
while tonumber(redis.call('HGET', sizes, '')) > room do
  drop(redis.call('ZRANGE', times, 0, 0)[1])
end
"""


@dataclass(frozen=True)
class LeafSet:
    """The users that a question has, and the moment when that was found."""

    users: ProfileSet
    moment: datetime


@dataclass(frozen=True)
class Question:
    """What is asked about users, in a form that is equal for equal questions, and how the answer is found.

    ``kinds``: the data that the answer is made from. None: it is never kept.
    """

    words: tuple[Any, ...]
    kinds: frozenset[Kind]
    find: Callable[[Context], ProfileSet | UnusableError]

    def key(self, context: Context) -> str:
        """Where its answer is kept; days are those of a time zone."""
        said = json.dumps([self.words, str(context.zone)])
        return f"{_PREFIX}:{context.workspace_id}:{hashlib.sha256(said.encode()).hexdigest()}"


class Recalled(NamedTuple):
    """What is known: good sets by question's key, and the present, under which others are to be found and kept."""

    sets: dict[str, LeafSet]
    present: Present


def is_used() -> bool:
    return bool(settings.SEGMENT_CACHE_SECONDS > 0)


def recall(context: Context, questions: Sequence[Question], *, fresh: bool = False) -> Recalled:
    """The kept sets of ``questions`` that are good (``fresh``: none), in one look at Valkey and one statement."""
    keys = [question.key(context) for question in questions]
    kept = [] if fresh else _young(context, _read(keys))
    places = dict(zip(keys, questions, strict=True))
    now = present(context.workspace_id, [(one.reading, places[one.key].kinds) for one in kept])
    good = {one.key: one for one, age in zip(kept, now.ages, strict=True) if _is_good(one, age)}
    return Recalled({key: LeafSet(one.users(), one.moment) for key, one in good.items()}, now)


class _Kept(NamedTuple):
    key: str
    reading: Reading
    moment: datetime
    #: The moment that relative days count from; None: it does not matter.
    counts_from: datetime | None
    members: bytes

    @property
    def age(self) -> timedelta:
        return datetime.now(UTC) - self.moment

    def users(self) -> ProfileSet:
        return ProfileSet.from_bytes(self.members)


def _read(keys: Sequence[str]) -> list[_Kept]:
    if not keys or not is_used():
        return []
    try:
        values = ask(lambda valkey: valkey.mget(keys))
    except RedisError:
        return []
    found = (_parsed(key, value) for key, value in zip(keys, values, strict=True) if value is not None)
    return [one for one in found if one is not None]


def _parsed(key: str, value: bytes) -> _Kept | None:
    """What ``keep`` kept; None for anything else."""
    head, _newline, members = value.partition(b"\n")
    try:
        cluster, snapshot, moment, counts_from = orjson.loads(head)
        since = None if counts_from is None else datetime.fromisoformat(counts_from)
        return _Kept(key, Reading(cluster, snapshot), datetime.fromisoformat(moment), since, members)
    except ValueError:
        return None


def _young(context: Context, kept: Iterable[_Kept]) -> list[_Kept]:
    """Those that time alone has not made useless."""
    life = timedelta(seconds=settings.SEGMENT_CACHE_SECONDS)
    moments = timedelta(seconds=settings.SEGMENT_CACHE_BUSY_SECONDS)
    return [
        one
        for one in kept
        if one.age < life and (one.counts_from is None or abs(context.now - one.counts_from) < moments)
    ]


def _is_good(one: _Kept, age: Age) -> bool:
    if age == Age.BUSY:
        return one.age < timedelta(seconds=settings.SEGMENT_CACHE_BUSY_SECONDS)
    return age == Age.UNCHANGED


def keep(context: Context, question: Question, found: LeafSet, now: Present, *, is_relative: bool) -> None:
    """Keep what was found after ``now``; ``is_relative``: it depends on the moment that ``context`` counts days from.

    Nothing is kept of a transaction that has written something: others do not see that yet, or never will.
    """
    if not is_used() or not now.is_shared:
        return
    counts_from = context.now.isoformat() if is_relative else None
    head = orjson.dumps([*now.reading, found.moment.isoformat(), counts_from])
    value = head + b"\n" + found.users.to_bytes()
    room = settings.SEGMENT_CACHE_BYTES
    if len(value) > room // 8:
        return
    milliseconds = [int(found.moment.timestamp() * 1000), settings.SEGMENT_CACHE_SECONDS * 1000]
    keys = [question.key(context), _TIMES, _SIZES]
    try:
        ask(lambda valkey: valkey.eval(_KEEP, len(keys), *keys, value, *milliseconds, room))
    except RedisError:
        return


# --- Who finds it ----------------------------------------------------------------------------------------------------


def claim(keys: Collection[str]) -> set[str]:
    """Those of ``keys`` that nobody else is finding: the caller finds them, and then calls ``release``.

    Without Valkey that is all of them, and then two may find the same.
    """
    wanted = list(keys)
    if not wanted or not is_used():
        return set(wanted)

    def ask_for_all(valkey: Any) -> Sequence[Any]:
        with valkey.pipeline(transaction=False) as pipeline:
            for key in wanted:
                pipeline.set(_claim(key), 1, nx=True, ex=CLAIM_SECONDS)
            return list(pipeline.execute())

    try:
        answers = ask(ask_for_all)
    except RedisError:
        return set(wanted)
    return {key for key, answer in zip(wanted, answers, strict=True) if answer}


def release(keys: Collection[str]) -> None:
    """The caller has found these, or given up."""
    if keys and is_used():
        try:
            ask(lambda valkey: valkey.delete(*map(_claim, keys)))
        except RedisError:
            return


def claimed(keys: Collection[str]) -> Mapping[str, bool]:
    """Whether somebody is finding each of ``keys`` at this moment."""
    wanted = list(keys)
    try:
        answers = ask(lambda valkey: valkey.mget([_claim(key) for key in wanted]))
    except RedisError:
        return dict.fromkeys(wanted, False)
    return {key: answer is not None for key, answer in zip(wanted, answers, strict=True)}


def _claim(key: str) -> str:
    return f"{key}:claim"
