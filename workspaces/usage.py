"""Where things are used: the floors above know, and register here, so that archiving or removing a thing can warn."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model
from django.utils.functional import Promise

from workspaces.models import App

Thing = TypeVar("Thing", bound=Model)


@dataclass(frozen=True)
class Use:
    """One thing that uses another: what it is ("Segment"), its name, and its page."""

    kind: str | Promise
    name: str
    address: str


class Usage(Generic[Thing]):
    """What uses things of one kind."""

    def __init__(self) -> None:
        self._finders: list[Callable[[Sequence[Thing]], Iterable[tuple[int, Use]]]] = []

    def register(
        self, finder: Callable[[Sequence[Thing]], Iterable[tuple[int, Use]]]
    ) -> Callable[[Sequence[Thing]], Iterable[tuple[int, Use]]]:
        """Register a function that says, for things of one workspace (at least one), what uses them: pairs of a thing's
        primary key and the use, in as few queries as possible. A decorator.
        """
        self._finders.append(finder)
        return finder

    def of(self, things: Sequence[Thing]) -> dict[int, list[Use]]:
        """By primary key: everything that uses each of ``things``, all of one workspace."""
        found: dict[int, list[Use]] = {one.pk: [] for one in things}
        for finder in self._finders if found else ():
            for pk, use in finder(things):
                found[pk].append(use)
        return found


#: What uses apps.
apps: Usage[App] = Usage()
