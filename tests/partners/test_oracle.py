"""Folding and following against a plain-Python oracle, over random sequences of everything that can happen."""

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partners import copies, folding, identities, late, unmatched
from partners.changes import EMAIL, EXTERNAL_ID, Group
from partners.folding import fold_cohort
from partners.models import Cohort, IdentityCursor, SyncRun
from profiles.live import log_identity
from profiles.models import Alias, Device, IdentityChange, Profile
from tests.partners.conftest import add_alias, add_device, connect, make_users
from tests.partners.oracle import Name, Oracle
from workspaces.models import DataPoints, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

Kind = IdentityChange.Kind

EXTERNAL = [("external_id", "", name) for name in "abcdxyn"]
ALIASES = [("alias", "crm", "a1"), ("alias", "crm", "b1"), ("alias", "crm", "n1"), ("alias", "other", "a1")]
DEVICES = [("device", "", "phone"), ("device", "", "desk")]
EMAILS = [("email", "", "two@example.com"), ("email", "", "y@example.com"), ("email", "", "nobody@example.com")]
NAMES: list[Name] = [*EXTERNAL, *ALIASES, *DEVICES, *EMAILS]
PUSHABLE, WEBHOOKS = [*EXTERNAL, *ALIASES, *DEVICES], [*EXTERNAL, *EMAILS]

objects = st.tuples(st.lists(st.sampled_from(PUSHABLE), max_size=4), st.booleans())
members = st.lists(st.sampled_from(WEBHOOKS), max_size=4)
somebody = st.integers(0, 9)
partner_steps = [
    st.tuples(st.just("push"), st.lists(objects, max_size=3)),
    st.tuples(st.just("difference"), members, st.booleans()),
    st.tuples(st.just("page"), st.integers(1, 2), st.integers(1, 3), members),
    st.tuples(st.just("pull"), members, members, st.booleans()),
]
people_steps = [
    st.tuples(st.just("appear"), st.sampled_from("axy")),
    st.tuples(st.just("identify"), somebody),
    st.tuples(st.just("alias"), somebody),
    st.tuples(st.just("merge"), somebody, somebody),
    st.tuples(st.just("delete"), somebody),
]
our_steps = [
    st.tuples(st.just("fold")),
    st.tuples(st.just("follow")),
    st.tuples(st.just("crash_while_folding")),
    st.tuples(st.just("crash_after_folding"), st.sampled_from("axy")),
    st.tuples(st.just("crash_while_following")),
]
steps = st.one_of(*partner_steps, *people_steps, *our_steps)

numbers = count()


class World:
    """A workspace with one cohort, and the oracle beside it. Each step is done to both."""

    def __init__(self) -> None:
        self.workspace = Workspace.objects.create(name=f"World {next(numbers)}")
        self.partner = connect(self.workspace, "mixpanel")
        a, b = make_users(self.workspace, "a", "b")
        c, d = make_users(self.workspace, "c", "d", email="two@example.com")
        first, second = make_users(self.workspace, None, None)
        for user, label, name in ((a, "crm", "a1"), (b, "crm", "b1"), (first, "crm", "n1")):
            add_alias(user, label, name)
        for user in (a, first, second):
            add_device(user, "phone")
        add_device(b, "desk")
        people: dict[Name, set[int]] = {name: set() for name in NAMES}
        people |= {("external_id", "", user.external_id or ""): {user.pk} for user in (a, b, c, d)}
        people |= {ALIASES[0]: {a.pk}, ALIASES[1]: {b.pk}, ALIASES[2]: {first.pk}}
        people |= {DEVICES[0]: {first.pk, second.pk}, EMAILS[0]: {c.pk, d.pk}}
        self.oracle = Oracle(people)
        assert self.partner.name(cohort_id="7").status_code == 201
        self.cohort_id = self.partner.cohort("7").pk

    # --- The partner ---

    def push(self, changes: list[tuple[list[Name], bool]]) -> None:
        assert self.partner.change(*(as_change(*one) for one in changes), cohort_id="7").status_code == 201
        # Within one object the kinds have one order, which changes nothing: an object either adds or removes.
        self.oracle.difference([(name, remove) for names, remove in changes for name in names])

    def difference(self, names: list[Name], remove: bool) -> None:
        action = "remove_members" if remove else "add_members"
        assert self.partner.webhook(action, map(as_member, names), session="d").status_code == 200
        self.oracle.difference([(name, remove) for name in names])

    def page(self, session: int, page: int, names: list[Name]) -> None:
        answer = self.partner.webhook("members", map(as_member, names), session=str(session), page=page, pages=3)
        assert answer.status_code == 200
        self.oracle.page(session, page, names)

    def pull(self, first: list[Name], second: list[Name], breaks: bool) -> None:
        run = copies.open_copy(self.cohort_id, Cohort.Source.PULL)
        copy = self.oracle.open()
        copies.add_page(run.pk, 1, as_groups(first))
        copy.pages[1] = first
        if breaks:
            copies.give_up(run.pk, SyncRun.Status.FAILED, SyncRun.Problem.UNREACHABLE)
            self.oracle.give_up(copy)
        else:
            copies.add_page(run.pk, 2, as_groups(second), total_pages=2)
            copy.pages[2], copy.complete = second, True

    # --- The users ---

    def appear(self, name: str) -> None:
        key = ("external_id", "", name)
        if not self.oracle.people[key]:
            email = {"y": "y@example.com"}.get(name, "")
            (user,) = make_users(self.workspace, name, email=email)
            self.oracle.people[key] = {user.pk}
            if email:
                self.oracle.people["email", "", email] = {user.pk}

    def identify(self, number: int) -> None:
        anonymous = list(self._live().filter(external_id=None))
        if anonymous and not self.oracle.people["external_id", "", "n"]:
            user = anonymous[number % len(anonymous)]
            with transaction.atomic():
                Profile.objects.filter(pk=user.pk).update(external_id="n")
                log_identity(self.workspace.pk, Kind.IDENTIFIED, [user.pk])
            self.oracle.people["external_id", "", "n"] = {user.pk}
            self.oracle.people[DEVICES[0]].discard(user.pk)

    def alias(self, number: int) -> None:
        users = list(self._live())
        if users and not self.oracle.people[ALIASES[3]]:
            user = users[number % len(users)]
            with transaction.atomic():
                add_alias(user, "other", "a1")
                log_identity(self.workspace.pk, Kind.ALIASED, [user.pk])
            self.oracle.people[ALIASES[3]] = {user.pk}

    def merge(self, one: int, other: int) -> None:
        users = list(self._live())
        if len(users) < 2 or one % len(users) == other % len(users):
            return
        loser, survivor = users[one % len(users)], users[other % len(users)]
        with transaction.atomic():
            Alias.objects.filter(profile=loser).update(profile=survivor)
            log_identity(self.workspace.pk, Kind.MERGED, [loser.pk], [survivor.pk])
            loser_pk = loser.pk
            loser.delete()
        for name in ALIASES:
            if loser_pk in self.oracle.people[name]:
                self.oracle.people[name] = {survivor.pk}
        self.oracle.merge(loser_pk, survivor.pk)

    def delete(self, number: int) -> None:
        users = list(self._live())
        if users:
            user = users[number % len(users)]
            self.oracle.forget_user(user.pk)
            with transaction.atomic():
                log_identity(self.workspace.pk, Kind.DELETED, [user.pk])
                user.delete()

    def _live(self) -> Any:
        return Profile.objects.filter(workspace=self.workspace).order_by("pk")

    # --- We ---

    def fold(self) -> None:
        fold_cohort(self.cohort_id)
        self.oracle.fold()

    def follow(self) -> None:
        identities.follow(self.workspace.pk)
        self.oracle.follow()

    def crash_while_folding(self) -> None:
        waits = bool(folding.waiting_by_cohort([self.cohort_id]))
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(folding, "store_members", killed)
            fold_cohort(self.cohort_id)
        if waits:
            self.oracle.fold(crashes=True)

    def crash_after_folding(self, name: str) -> None:
        """The process dies before the second look, somebody appears, and beat makes up for it."""
        identities.follow(self.workspace.pk)
        while folding.waiting_by_cohort([self.cohort_id]):
            folding._fold_some(self.cohort_id)
        self.oracle.fold()
        self.appear(name)
        late.match_stragglers()
        self.follow()

    def crash_while_following(self) -> None:
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(IdentityCursor, "save", killed)
            identities.follow(self.workspace.pk)
        self.oracle.follow()

    def check(self) -> None:
        """Same members, same who waits, same counts."""
        IdentityCursor.objects.update(swept_at=None)
        identities.follow(self.workspace.pk)
        cohort, oracle = self.partner.cohort("7"), self.oracle
        assert set(cohort.members) == oracle.members
        assert cohort.size == len(oracle.members)
        waiting = cohort.unmatched.filter(cancelled=False).values_list("kind", "label", "value")
        assert set(waiting) == {name for name, row in oracle.rows.items() if not row.cancelled}
        runs = SyncRun.objects.filter(cohort=cohort).exclude(source=SyncRun.Source.MERGE)
        assert {name: sum(runs.values_list(name, flat=True)) for name in oracle.counts} == oracle.counts
        points = sum(DataPoints.objects.filter(workspace=self.workspace).values_list("count", flat=True))
        assert points == oracle.counts["added"] + oracle.counts["removed"]
        assert sum(runs.values_list("data_points", flat=True)) == points


class Killed(Exception):  # noqa: N818 - the process's end
    pass


def killed(*_args: Any, **_kwargs: Any) -> None:
    raise Killed


def as_change(names: list[Name], remove: bool) -> dict[str, Any]:
    return {
        "user_ids": [value for kind, _, value in names if kind == "external_id"],
        "device_ids": [value for kind, _, value in names if kind == "device"],
        "aliases": [{"alias_label": label, "alias_name": value} for kind, label, value in names if kind == "alias"],
        "should_remove": remove,
    }


def as_member(name: Name) -> dict[str, str]:
    return {"email" if name[0] == "email" else "mixpanel_distinct_id": name[2]}


def as_groups(names: list[Name]) -> list[Group]:
    return [Group(kind, False, [value for one, _, value in names if one == kind]) for kind in (EXTERNAL_ID, EMAIL)]


def in_small_pieces(patch: pytest.MonkeyPatch) -> None:
    for module, name, size in (
        (unmatched, "COPY_FROM", 1),
        (folding, "ROWS_AT_ONCE", 2),
        (folding, "IDENTIFIERS_AT_ONCE", 3),
        (identities, "ROWS_AT_ONCE", 1),
        (late, "AT_ONCE", 1),
    ):
        patch.setattr(module, name, size)


@pytest.fixture(params=[None, in_small_pieces], ids=["at once", "in small pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    arrange: Callable[[pytest.MonkeyPatch], None] | None = request.param
    if arrange:
        arrange(monkeypatch)


@pytest.mark.usefixtures("pieces")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=16))
def test_cohorts_agree_with_the_oracle(sequence: list[Any]) -> None:
    world = World()
    for step, *details in [*sequence, ("fold",), ("follow",)]:
        getattr(world, step)(*details)
    world.check()


@pytest.mark.usefixtures("pieces")
def test_a_removal_before_the_user_appeared_outlives_an_older_copy() -> None:
    """The copy names them, the removal came later, and then the user appeared."""
    world, name = World(), ("external_id", "", "x")
    world.page(1, 1, [name])
    world.difference([name], True)
    world.fold()
    world.appear("x")
    world.page(1, 2, [])
    world.page(1, 3, [])
    world.fold()
    world.check()
    assert not world.oracle.members


def test_a_survivor_who_is_removed_after_the_merge_stays_out() -> None:
    world = World()
    world.push([([("external_id", "", "a")], False)])
    world.fold()
    world.merge(0, 1)
    world.push([([("external_id", "", "b")], True)])
    world.fold()
    world.follow()
    world.check()
    assert not world.oracle.members


def test_two_copies_on_their_way_each_keep_what_is_later() -> None:
    world, name = World(), ("external_id", "", "x")
    world.page(1, 1, [name])
    world.difference([name], True)
    world.fold()
    for page in (2, 3):
        world.page(1, page, [])
    world.page(2, 1, [])
    world.fold()
    world.check()
    assert not world.oracle.rows
    assert Device.objects.exists()
