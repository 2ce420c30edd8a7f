"""Folding against a plain-Python oracle, over random sequences of everything that can arrive."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partners import folding, unmatched
from partners.folding import fold_cohort
from partners.models import SyncRun
from tests.partners.conftest import Partner, add_alias, add_device, connect, make_users
from workspaces.models import DataPoints, Workspace

pytestmark = pytest.mark.django_db

Name = tuple[str, str, str]
Entry = tuple[Name, bool]

#: Who is who: names of users by kind. Nobody has the last of each.
PEOPLE: dict[Name, list[str]] = {
    ("external_id", "", "a"): ["a"],
    ("external_id", "", "b"): ["b"],
    ("external_id", "", "c"): ["c"],
    ("external_id", "", "d"): ["d"],
    ("alias", "crm", "a1"): ["a"],
    ("alias", "crm", "b1"): ["b"],
    ("alias", "crm", "n1"): ["anonymous"],
    ("device", "", "phone"): ["anonymous", "other anonymous"],
    ("device", "", "desk"): [],
    ("email", "", "two@example.com"): ["c", "d"],
    ("external_id", "", "x"): [],
    ("alias", "other", "a1"): [],
    ("email", "", "x@example.com"): [],
}
PUSHABLE = [name for name in PEOPLE if name[0] != "email"]
WEBHOOKS = [name for name in PEOPLE if name[0] in ("external_id", "email")]

objects = st.tuples(st.lists(st.sampled_from(PUSHABLE), max_size=4), st.booleans())
steps = st.one_of(
    st.tuples(st.just("push"), st.lists(objects, max_size=3)),
    st.tuples(st.just("difference"), st.lists(st.sampled_from(WEBHOOKS), max_size=4), st.booleans()),
    st.tuples(st.just("page"), st.integers(1, 2), st.integers(1, 3), st.lists(st.sampled_from(WEBHOOKS), max_size=3)),
    st.tuples(st.just("fold")),
)


@dataclass
class Copy:
    position: int
    pages: dict[int, list[Name]] = field(default_factory=dict)
    later: list[list[Entry]] = field(default_factory=list)


class Oracle:
    """The members, the waiting ids and the counts by the contract's rules, one identifier after the other."""

    def __init__(self) -> None:
        self.clock = count()
        self.members: set[str] = set()
        self.waiting: set[Name] = set()
        self.queue: list[tuple[int, list[Entry]]] = []
        self.gathering: Copy | None = None
        self.complete: list[Copy] = []
        self.sessions: dict[int, Copy] = {}
        self.counts = dict.fromkeys(("received", "added", "removed", "already_there", "unmatched"), 0)

    def difference(self, entries: list[Entry]) -> None:
        self.queue.append((next(self.clock), entries))

    def page(self, session: int, page: int, names: list[Name]) -> None:
        if session not in self.sessions:
            if self.gathering:
                self.counts["received"] += sum(map(len, self.gathering.pages.values()))
            self.gathering = self.sessions[session] = Copy(next(self.clock))
        copy = self.sessions[session]
        if copy is self.gathering:
            copy.pages.setdefault(page, names)
            if len(copy.pages) == 3:
                self.complete.append(copy)
                self.gathering = None

    def fold(self) -> None:
        events: list[tuple[int, Any]] = [*self.queue, *((copy.position, copy) for copy in self.complete)]
        for position, event in sorted(events, key=lambda pair: pair[0]):
            if isinstance(event, Copy):
                self._replace(event)
            else:
                self._apply(event)
                if self.gathering and position > self.gathering.position:
                    self.gathering.later.append(event)
        self.queue, self.complete = [], []

    def _apply(self, entries: list[Entry]) -> None:
        outcome = {user: remove for name, remove in entries for user in PEOPLE[name]}
        matches = sum(len(PEOPLE[name]) for name, _ in entries)
        added = {user for user, remove in outcome.items() if not remove} - self.members
        removed = {user for user, remove in outcome.items() if remove} & self.members
        self._count(len(entries), added, removed, sum(not PEOPLE[name] for name, _ in entries))
        self.counts["already_there"] += matches - len(added) - len(removed)
        self._do(entries)

    def _replace(self, copy: Copy) -> None:
        before, names = self.members, [name for page in copy.pages.values() for name in page]
        self.members = {user for name in names for user in PEOPLE[name]}
        self.waiting = {name for name in names if not PEOPLE[name]}
        for entries in copy.later:
            self._do(entries)
        added, lost = self.members - before, sum(not PEOPLE[name] for name in names)
        self._count(len(names), added, before - self.members, lost)
        self.counts["already_there"] += max(0, len(names) - lost - len(added))

    def _do(self, entries: list[Entry]) -> None:
        for name, remove in entries:
            self.members = self.members - set(PEOPLE[name]) if remove else self.members | set(PEOPLE[name])
            if not PEOPLE[name]:
                (self.waiting.discard if remove else self.waiting.add)(name)

    def _count(self, received: int, added: set[str], removed: set[str], unmatched: int) -> None:
        self.counts["received"] += received
        self.counts["added"] += len(added)
        self.counts["removed"] += len(removed)
        self.counts["unmatched"] += unmatched


def as_change(names: list[Name], remove: bool) -> dict[str, Any]:
    return {
        "user_ids": [value for kind, _, value in names if kind == "external_id"],
        "device_ids": [value for kind, _, value in names if kind == "device"],
        "aliases": [{"alias_label": label, "alias_name": value} for kind, label, value in names if kind == "alias"],
        "should_remove": remove,
    }


def as_member(name: Name) -> dict[str, str]:
    return {"email" if name[0] == "email" else "mixpanel_distinct_id": name[2]}


def new_world(number: int) -> tuple[Partner, dict[str, str]]:
    """A workspace with PEOPLE in it, and which of them a braze id is."""
    workspace = Workspace.objects.create(name=f"World {number}")
    a, b = make_users(workspace, "a", "b")
    make_users(workspace, "c", "d", email="two@example.com")
    first, second = make_users(workspace, None, None)
    for user, label, name in ((a, "crm", "a1"), (b, "crm", "b1"), (first, "crm", "n1")):
        add_alias(user, label, name)
    for user in (a, first, second):
        add_device(user, "phone")
    add_device(b, "desk")
    return connect(workspace, "mixpanel"), {first.braze_id: "anonymous", second.braze_id: "other anonymous"}


@pytest.fixture(params=["at once", "in small pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in small pieces":
        monkeypatch.setattr(unmatched, "COPY_FROM", 1)
        monkeypatch.setattr(folding, "ROWS_AT_ONCE", 2)
        monkeypatch.setattr(folding, "IDENTIFIERS_AT_ONCE", 3)


numbers = count()


@pytest.mark.usefixtures("pieces")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=14))
def test_folding_agrees_with_the_oracle(sequence: list[Any]) -> None:
    partner, braze_ids = new_world(next(numbers))
    oracle = Oracle()
    assert partner.name(cohort_id="7").status_code == 201
    cohort_id = partner.cohort("7").pk
    for step, *details in [*sequence, ("fold",)]:
        if step == "push":
            changes = details[0]
            assert partner.change(*(as_change(*one) for one in changes), cohort_id="7").status_code == 201
            # Within one object the kinds have one order, which changes nothing: an object either adds or removes.
            oracle.difference([(name, remove) for names, remove in changes for name in names])
        elif step == "difference":
            names, remove = details
            action = "remove_members" if remove else "add_members"
            assert partner.webhook(action, map(as_member, names), session="d").status_code == 200
            oracle.difference([(name, remove) for name in names])
        elif step == "page":
            session, page, names = details
            assert (
                partner.webhook("members", map(as_member, names), session=str(session), page=page, pages=3).status_code
                == 200
            )
            oracle.page(session, page, names)
        else:
            fold_cohort(cohort_id)
            oracle.fold()
    check(partner, braze_ids, oracle)


def check(partner: Partner, braze_ids: dict[str, str], oracle: Oracle) -> None:
    assert {braze_ids.get(one, one) for one in partner.members("7")} == oracle.members
    cohort = partner.cohort("7")
    waiting = cohort.unmatched.filter(cancelled=False).values_list("kind", "label", "value")
    assert set(waiting) == oracle.waiting
    runs = SyncRun.objects.filter(cohort=cohort)
    assert {name: sum(runs.values_list(name, flat=True)) for name in oracle.counts} == oracle.counts
    points = DataPoints.objects.filter(workspace=partner.integration.workspace)
    assert sum(points.values_list("count", flat=True)) == oracle.counts["added"] + oracle.counts["removed"]
    assert cohort.size == len(oracle.members)
