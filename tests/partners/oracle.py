"""The contract of cohorts in plain Python: one identifier after the other, over who is called what at the moment."""

from dataclasses import dataclass, field
from itertools import count

Name = tuple[str, str, str]
Entry = tuple[Name, bool]

COUNTS = ("received", "added", "removed", "already_there", "unmatched")


@dataclass
class Copy:
    """A full copy on its way; ``later``: what was done to whom (True: removed) after it began."""

    position: int
    pages: dict[int, list[Name]] = field(default_factory=dict)
    later: dict[int, bool] = field(default_factory=dict)
    complete: bool = False

    def names(self) -> list[Name]:
        return [name for page in self.pages.values() for name in page]


@dataclass
class Wait:
    """That a name waits; or, ``cancelled``, that it was removed later than a copy that may name it."""

    position: int
    cancelled: bool = False


class Oracle:
    """One cohort: its members, who waits, and the counts of all runs. Users are numbers."""

    def __init__(self, people: dict[Name, set[int]]) -> None:
        self.people = people
        self.clock = count()
        self.members: set[int] = set()
        self.rows: dict[Name, Wait] = {}
        self.queue: list[tuple[int, list[Entry]]] = []
        self.copies: list[Copy] = []
        self.sessions: dict[int, Copy] = {}
        self.merges: list[tuple[int, int]] = []
        self.counts = dict.fromkeys(COUNTS, 0)

    # --- What arrives ---

    def difference(self, entries: list[Entry]) -> None:
        self.queue.append((next(self.clock), entries))

    def open(self) -> Copy:
        if older := self.gathering():
            self.give_up(older)
        if not self.copies:
            self.rows = {name: row for name, row in self.rows.items() if not row.cancelled}
        self.copies.append(Copy(next(self.clock)))
        return self.copies[-1]

    def page(self, session: int, page: int, names: list[Name]) -> None:
        if session not in self.sessions:
            self.sessions[session] = self.open()
        copy = self.sessions[session]
        if copy is self.gathering():
            copy.pages.setdefault(page, names)
            copy.complete = len(copy.pages) == 3

    def give_up(self, copy: Copy) -> None:
        self.counts["received"] += len(copy.names())
        self.copies.remove(copy)

    def gathering(self) -> Copy | None:
        return next((copy for copy in self.copies if not copy.complete), None)

    # --- What becomes of users ---

    def forget_user(self, user: int) -> None:
        """The user is deleted, or was merged."""
        for users in self.people.values():
            users.discard(user)
        self.members.discard(user)
        for copy in self.copies:
            copy.later.pop(user, None)

    def merge(self, loser: int, survivor: int) -> None:
        """The survivor is wherever either was; that they are is no change of the partner's."""
        if loser in self.members:
            self.members.add(survivor)
        for copy in self.copies:
            if loser in copy.later:
                copy.later[survivor] = copy.later[loser] and copy.later.get(survivor, True)
        self.forget_user(loser)

    def follow(self) -> None:
        """Whoever waits and has a user by now joins."""
        hits = [name for name, row in self.rows.items() if not row.cancelled and self.people[name]]
        added: set[int] = set()
        matches = 0
        for name in sorted(hits, key=lambda name: self.rows[name].position):
            users, position = self.people[name], self.rows.pop(name).position
            matches += len(users)
            added |= users - self.members
            for copy in self.copies:
                if position > copy.position:
                    copy.later |= dict.fromkeys(users, False)
        self.members |= added
        self._count(len(hits), added, set(), 0)
        self.counts["already_there"] += matches - len(added)

    # --- Folding ---

    def fold(self, *, crashes: bool = False) -> None:
        """Apply all that is complete, in arrival order; a fold that ``crashes`` does so at the first differences."""
        self.follow()
        ready = [copy for copy in self.copies if copy.complete]
        positions = sorted([*(position for position, _ in self.queue), *(copy.position for copy in ready)])
        for position in positions:
            copy = next((copy for copy in ready if copy.position == position), None)
            if copy:
                self._replace(copy)
            elif crashes:
                return
            else:
                self._apply(*self.queue.pop(0))

    def _apply(self, position: int, entries: list[Entry]) -> None:
        outcome = {user: remove for name, remove in entries for user in self.people[name]}
        added = {user for user, remove in outcome.items() if not remove} - self.members
        removed = {user for user, remove in outcome.items() if remove} & self.members
        self.members = (self.members | added) - removed
        self._count(len(entries), added, removed, sum(not self.people[name] for name, _ in entries))
        matches = sum(len(self.people[name]) for name, _ in entries)
        self.counts["already_there"] += matches - len(added) - len(removed)
        gathering = self.gathering()
        is_later = gathering is not None and position > gathering.position
        if gathering and is_later:
            gathering.later |= outcome
        for name, remove in entries:
            if self.people[name] or (remove and not is_later):
                self.rows.pop(name, None)
            else:
                self.rows[name] = Wait(position, cancelled=remove)

    def _replace(self, copy: Copy) -> None:
        names, before = copy.names(), self.members
        self.copies.remove(copy)
        named = [name for name in names if not self._is_cancelled(name, copy)]
        members = {user for name in named for user in self.people[name]}
        members -= {user for user, remove in copy.later.items() if remove}
        self.members = members | {user for user, remove in copy.later.items() if not remove}
        for name in names:
            row = self.rows.get(name)
            if row is None or row.position < copy.position:
                self.rows.pop(name, None)
                if not self.people[name]:
                    self.rows[name] = Wait(copy.position)
        needed = min((one.position for one in self.copies), default=None)
        self.rows = {
            name: row
            for name, row in self.rows.items()
            if row.position >= copy.position and not (row.cancelled and (needed is None or row.position < needed))
        }
        lost = sum(not self.people[name] for name in names)
        added = self.members - before
        self._count(len(names), added, before - self.members, lost)
        self.counts["already_there"] += max(0, len(names) - lost - len(added))

    def _is_cancelled(self, name: Name, copy: Copy) -> bool:
        row = self.rows.get(name)
        return row is not None and row.cancelled and row.position > copy.position

    def _count(self, received: int, added: set[int], removed: set[int], unmatched: int) -> None:
        self.counts["received"] += received
        self.counts["added"] += len(added)
        self.counts["removed"] += len(removed)
        self.counts["unmatched"] += unmatched
