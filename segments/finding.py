"""Finding the sets of questions: kept ones first, each of the others once, and none longer than there is patience."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from profiles.sets import ProfileSet
from segments import leaf_cache
from segments.filters.base import Context, UnusableError
from segments.filters.limits import TooLongError, time_limit
from segments.leaf_cache import LeafSet, Question

#: How often we look whether another reader has found what we wait for.
_LOOK_SECONDS: Final = 0.03
#: PostgreSQL counts milliseconds, and takes none for no limit.
_SHORTEST: Final = 0.001

#: The set of a question; why it has none; or None where patience ended before it was found.
Answer = LeafSet | UnusableError | None


@dataclass(frozen=True)
class Patience:
    """How long the queries of one evaluation may take together. ``until`` is of the monotonic clock; None: for ever."""

    until: float | None = None

    @classmethod
    def of(cls, seconds: float | None) -> "Patience":
        return cls(None if seconds is None else time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds; infinite where there is no end."""
        return float("inf") if self.until is None else self.until - time.monotonic()


def in_time(patience: Patience, find: Callable[[], Any]) -> Any:
    """What ``find`` returns, or None when patience ends before: its statement is cancelled then."""
    if patience.until is None:
        return find()
    if patience.left < _SHORTEST:
        return None
    try:
        with time_limit(patience.left):
            return find()
    except TooLongError:
        return None


def find_all(questions: Sequence[Question], context: Context, patience: Patience | None = None) -> list[Answer]:
    """The answers to ``questions``, in order. With ``context.fresh`` all are found anew, and kept for others."""
    return _Finder(context, patience or Patience()).answers(questions)


@dataclass(frozen=True)
class _Watched(Context):
    """A context that notices whether the present moment mattered."""

    looks: list[str] = field(default_factory=list)

    def __getattribute__(self, name: str) -> Any:
        if name == "now":
            super().__getattribute__("looks").append(name)
        return super().__getattribute__(name)


class _Finder:
    """Answers questions of one evaluation."""

    def __init__(self, context: Context, patience: Patience) -> None:
        self.context = context
        self.patience = patience
        self.found: dict[str, Answer] = {}

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        if not questions:
            return []
        keys = [question.key(self.context) for question in questions]
        missing = dict(zip(keys, questions, strict=True))
        self._recall(missing, fresh=self.context.fresh)
        if missing:
            mine = set(missing) if self.context.fresh else leaf_cache.claim(missing)
            self._find({key: missing.pop(key) for key in list(missing) if key in mine})
            self._wait_for(missing)
        return [self.found[key] for key in keys]

    def _recall(self, missing: dict[str, Question], *, fresh: bool = False) -> None:
        """Take what is kept and good out of ``missing``."""
        known = leaf_cache.recall(self.context, list(missing.values()), fresh=fresh)
        self.present = known.present
        self.found |= known.sets
        for key in known.sets:
            del missing[key]

    def _find(self, questions: dict[str, Question]) -> None:
        try:
            for key, question in questions.items():
                self.found[key] = in_time(self.patience, partial(self._find_one, question))
        finally:
            if not self.context.fresh:
                leaf_cache.release(questions)

    def _find_one(self, question: Question) -> Answer:
        moment = datetime.now(UTC)
        context = self.context
        watched = _Watched(context.workspace_id, context.zone, context.now, context.within, context.fresh)
        found = question.find(watched)
        if not isinstance(found, ProfileSet):
            return found
        answer = LeafSet(found, moment)
        leaf_cache.keep(context, question, answer, self.present, is_relative=bool(watched.looks))
        return answer

    def _wait_for(self, missing: dict[str, Question]) -> None:
        """What other readers are finding: taken if it is good when it is there, else found after all."""
        given_up = time.monotonic() + leaf_cache.CLAIM_SECONDS
        while missing and self.patience.left > 0:
            is_claimed = leaf_cache.claimed(missing)
            if all(is_claimed.values()) and time.monotonic() < given_up:
                time.sleep(_LOOK_SECONDS)
                continue
            free = [key for key in missing if not is_claimed[key]] or list(missing)
            self._recall(missing)
            self._find({key: missing.pop(key) for key in free if key in missing})
        self.found |= dict.fromkeys(missing)
