"""Folding and following against a plain-Python oracle, over random sequences of everything that can happen."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partners import copies, folding, identities, late, unmatched
from partners.changes import EMAIL, EXTERNAL_ID, Group
from partners.folding import fold_cohort
from partners.models import Cohort, IdentityCursor, SyncRun
from profiles.deleting import delete_profiles
from profiles.identities import Identity
from profiles.merging import Naming, identify, merge
from profiles.models import Device, IdentityChange, Profile
from profiles.renaming import NewAlias, add_aliases, remove_external_ids, rename_external_ids
from tests.partners.conftest import add_alias, add_device, connect, make_users
from tests.partners.oracle import Name, Oracle
from workspaces.models import DataPoints, Workspace

pytestmark = pytest.mark.django_db(transaction=True)
SOAK_EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "2000"))

Kind = IdentityChange.Kind

EXTERNAL = [("external_id", "", name) for name in "abcdxynr"]
ALIASES = [("alias", "crm", "a1"), ("alias", "crm", "b1"), ("alias", "crm", "n1"), ("alias", "other", "a1")]
DEVICES = [("device", "", "phone"), ("device", "", "desk")]
EMAILS = [("email", "", "two@example.com"), ("email", "", "y@example.com"), ("email", "", "nobody@example.com")]
NAMES: list[Name] = [*EXTERNAL, *ALIASES, *DEVICES, *EMAILS]
PUSHABLE, WEBHOOKS = [*EXTERNAL, *ALIASES, *DEVICES], [*EXTERNAL, *EMAILS]

somebody = st.integers(0, 9)
OUR_STEPS = [
    st.tuples(st.just("fold")),
    st.tuples(st.just("follow")),
    st.tuples(st.just("crash_while_folding")),
    st.tuples(st.just("crash_while_following")),
]


@st.composite
def sequences(draw: st.DrawFn) -> list[Any]:
    """A world's history. It has few names, so that the same ones are asked for again and again, in every way."""
    pushed = draw(st.lists(st.sampled_from(PUSHABLE), min_size=1, max_size=4, unique=True))
    sent = draw(st.lists(st.sampled_from(WEBHOOKS), min_size=1, max_size=4, unique=True))
    members = st.lists(st.sampled_from(sent), max_size=4)
    partner = _partner_steps(st.sampled_from(pushed), members)
    names = sorted({value for kind, _, value in [*pushed, *sent] if kind == "external_id"}) or ["x"]
    people = _people_steps(st.sampled_from(names))
    plain = st.one_of(*partner, *partner, *people, *OUR_STEPS)
    # What happens while a copy gathers is what is done again on top of it: there is much of it.
    within = st.tuples(st.just("within_copy"), members, st.lists(plain, max_size=6), members)
    return draw(st.lists(st.one_of(plain, *[within] * 6), min_size=2, max_size=14))


def _partner_steps(name: st.SearchStrategy[Name], members: st.SearchStrategy[list[Name]]) -> list[Any]:
    objects = st.tuples(st.lists(name, min_size=1, max_size=4), st.booleans())
    return [
        st.tuples(st.just("push"), st.lists(objects, min_size=1, max_size=4)),
        st.tuples(st.just("difference"), members, st.booleans()),
        st.tuples(st.just("page"), st.integers(1, 2), st.integers(1, 3), members),
        st.tuples(st.just("pull"), members, members, st.booleans()),
    ]


def _people_steps(name: st.SearchStrategy[str]) -> list[Any]:
    return [
        st.tuples(st.just("appear"), name),
        st.tuples(st.just("wait_and_appear"), name),
        st.tuples(st.just("identify"), somebody, name, st.booleans()),
        st.tuples(st.just("alias"), somebody),
        st.tuples(st.just("rename"), name, name),
        st.tuples(st.just("forget_name"), name),
        st.tuples(st.just("merge"), somebody, somebody),
        st.tuples(st.just("delete"), somebody),
        st.tuples(st.just("get_unlogged"), somebody, st.booleans()),
        st.tuples(st.just("crash_after_folding"), name),
    ]


numbers = count()


class World:
    """A workspace with one cohort, and the oracle beside it. Each step is done to both."""

    def __init__(self) -> None:
        self.workspace = Workspace.objects.create(name=f"World {next(numbers)}")
        self.seen = 0
        self.partner = connect(self.workspace, "mixpanel")
        a, b = make_users(self.workspace, "a", "b")
        make_users(self.workspace, "c", "d", email="two@example.com")
        first, second = make_users(self.workspace, None, None)
        for user, label, name in ((a, "crm", "a1"), (b, "crm", "b1"), (first, "crm", "n1")):
            add_alias(user, label, name)
        for user in (a, first, second):
            add_device(user, "phone")
        add_device(b, "desk")
        self.oracle = Oracle(self._people())
        assert self.partner.name(cohort_id="7").status_code == 201
        self.cohort_id = self.partner.cohort("7").pk

    def begin(self) -> None:
        """Let somebody be in it from the beginning."""
        self.push([([EXTERNAL[0], EXTERNAL[2], ALIASES[2]], False)])
        self.fold()

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

    def within_copy(self, first: list[Name], steps: list[Any], last: list[Name]) -> None:
        """A full copy whose last pages come after other things have happened."""
        session = 100 + next(numbers)
        self.page(session, 1, first)
        for step, *details in steps:
            getattr(self, step)(*details)
        self.page(session, 2, [])
        self.page(session, 3, last)

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

    # --- The users, by what the REST API does to them ---

    def appear(self, name: str) -> None:
        if not self.oracle.people["external_id", "", name]:
            make_users(self.workspace, name, email={"y": "y@example.com"}.get(name, ""))
            self._look()

    def wait_and_appear(self, name: str) -> None:
        """What late matching is for, whatever else is under way."""
        self.difference([("external_id", "", name)], False)
        self.fold()
        self.appear(name)
        self.follow()

    def identify(self, number: int, external_id: str, keeping_fields: bool) -> None:
        anonymous = list(self._live().filter(external_id=None))
        if anonymous:
            user = anonymous[number % len(anonymous)]
            naming = Naming(Identity("braze_id", user.braze_id), external_id)
            identify(self.workspace.pk, [naming], keeping_fields=keeping_fields)
            self._look()

    def alias(self, number: int) -> None:
        users = list(self._live().exclude(external_id=None))
        if users:
            user = users[number % len(users)]
            add_aliases(self.workspace.pk, [NewAlias(Identity("alias", "a1", "other"), user.external_id)])
            self._look()

    def rename(self, current: str, new: str) -> None:
        rename_external_ids(self.workspace.pk, [(current, new)])
        self._look()

    def forget_name(self, name: str) -> None:
        remove_external_ids(self.workspace.pk, [name])
        self._look()

    def merge(self, one: int, other: int) -> None:
        users = list(self._live())
        if len(users) < 2 or one % len(users) == other % len(users):
            return
        loser, survivor = users[one % len(users)], users[other % len(users)]
        merge(self.workspace.pk, [(Identity("braze_id", loser.braze_id), Identity("braze_id", survivor.braze_id))])
        self._look()

    def delete(self, number: int) -> None:
        users = list(self._live())
        if users:
            delete_profiles(self.workspace.pk, [users[number % len(users)].pk])
            self._look()

    def get_unlogged(self, number: int, by_email: bool) -> None:
        """A user gets an email or a device, of which the identity log tells nothing; the hourly look finds them."""
        users = list(self._live().filter(email="") if by_email else self._live())
        if not users:
            return
        self.follow()
        user = users[number % len(users)]
        if by_email:
            self._live().filter(pk=user.pk).update(email="nobody@example.com")
        elif not user.devices.filter(device_id="desk").exists():
            add_device(user, "desk")
        self._look()
        late.match_unlogged()
        self.oracle.follow()

    def _live(self) -> Any:
        return Profile.objects.filter(workspace=self.workspace).order_by("pk")

    def _look(self) -> None:
        """Tell the oracle who is called what by now, and who was merged or deleted since."""
        for change in IdentityChange.objects.filter(workspace=self.workspace, pk__gt=self.seen).order_by("pk"):
            self.seen = change.pk
            if change.kind == Kind.MERGED:
                for loser, survivor in zip(change.profile_ids, change.survivor_ids, strict=True):
                    self.oracle.merge(loser, survivor)
            elif change.kind == Kind.DELETED:
                for user in change.profile_ids:
                    self.oracle.forget_user(user)
        self.oracle.people = self._people()

    def _people(self) -> dict[Name, set[int]]:
        """Who is called what: asked of each user, and not as the code under test asks."""
        people: dict[Name, set[int]] = {name: set() for name in NAMES}
        for user in self._live().prefetch_related("aliases", "devices", "deprecated_ids"):
            for name in names_of(user):
                if name in people:
                    people[name].add(user.pk)
        return people

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


def names_of(user: Profile) -> Iterator[Name]:
    """All that a partner may call a user by; devices name anonymous users only."""
    if user.external_id is None:
        yield from (("device", "", one.device_id) for one in user.devices.all())
    else:
        yield "external_id", "", user.external_id
    yield from (("external_id", "", one.external_id) for one in user.deprecated_ids.all())
    yield from (("alias", one.label, one.name) for one in user.aliases.all())
    yield "email", "", user.email


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


def agree(examples: int) -> None:
    """Play so many random sequences, and compare each with the oracle."""

    @settings(max_examples=examples, deadline=None)
    @given(sequences())
    def play(sequence: list[Any]) -> None:
        world = World()
        for step, *details in [("begin",), *sequence, ("fold",), ("follow",)]:
            getattr(world, step)(*details)
        world.check()

    play()


@pytest.mark.usefixtures("pieces")
def test_cohorts_agree_with_the_oracle() -> None:
    agree(40)


@pytest.mark.soak
@pytest.mark.usefixtures("pieces")
def test_cohorts_agree_with_the_oracle_at_length() -> None:
    agree(SOAK_EXAMPLES)


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
