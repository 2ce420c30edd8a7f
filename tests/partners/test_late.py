"""Late matching, merges and deletions: what the identity log says becomes true of cohorts."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from partners import copies, folding, identities, late, unmatched
from partners.folding import fold_cohort
from partners.identities import follow, follow_all
from partners.locks import only_one
from partners.models import FullCopy, IdentityCursor, RunSets, SyncRun, UnmatchedId
from partners.reading import cohort_members
from partners.tasks import fold_stragglers, match_unlogged
from profiles.live import log_identity
from profiles.models import Alias, Device, IdentityChange, Profile
from profiles.sets import ProfileSet
from tests.partners.conftest import MakeUsers, Partner, add_alias, add_device, at_once, connect, make_users
from workspaces.models import DataPoints, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

Kind = IdentityChange.Kind


def merge(loser: Profile, survivor: Profile) -> None:
    """What the profiles' own merge does to the tables and to the log."""
    with transaction.atomic():
        log_identity(loser.workspace_id, Kind.MERGED, [loser.pk], [survivor.pk])
        loser.delete()


def delete(*profiles: Profile) -> None:
    with transaction.atomic():
        log_identity(profiles[0].workspace_id, Kind.DELETED, [one.pk for one in profiles])
        Profile.objects.filter(pk__in=[one.pk for one in profiles]).delete()


def waiting(partner: Partner, cohort_id: str = "c1") -> set[str]:
    return set(partner.cohort(cohort_id).unmatched.filter(cancelled=False).values_list("value", flat=True))


def stored(partner: Partner, cohort_id: str = "c1") -> set[int]:
    """The members as stored, with nothing folded and nobody left out."""
    return set(partner.cohort(cohort_id).members)


def data_points(partner: Partner) -> int:
    return sum(DataPoints.objects.filter(workspace=partner.integration.workspace).values_list("count", flat=True))


@contextmanager
def other_transaction() -> Iterator[psycopg.Connection]:
    """A transaction of another session that has written, and stays open for the block."""
    given = connection.get_connection_params()
    wanted = {name: given[name] for name in ("dbname", "user", "password", "host", "port") if given.get(name)}
    with psycopg.connect(**wanted) as session:
        session.execute("SELECT pg_current_xact_id()")
        yield session


def insert_elsewhere(session: psycopg.Connection, workspace_id: int, external_id: str) -> int:
    """Insert a profile as ``profiles`` does, in another session's transaction; returns its id."""
    row = session.execute(
        "INSERT INTO profiles_profile (workspace_id, braze_id, external_id, random_bucket)"
        " VALUES (%s, 'elsewhere', %s, 0) RETURNING id",
        [workspace_id, external_id],
    ).fetchone()
    assert row
    session.execute(
        "INSERT INTO profiles_identitychange (workspace_id, kind, profile_ids) VALUES (%s, 'created', %s)",
        [workspace_id, [row[0]]],
    )
    return int(row[0])


def test_it_works(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("a", "b")
    assert mixpanel.members() == set()
    (profile,) = users("a")
    follow(mixpanel.integration.workspace_id)
    assert stored(mixpanel) == {profile.pk}
    assert waiting(mixpanel) == {"b"}
    run = SyncRun.objects.get(source="late")
    assert (run.received, run.added, run.already_there, run.unmatched, run.data_points) == (1, 1, 0, 0, 1)
    assert (run.size_after, mixpanel.cohort().size) == (1, 1)
    assert profile.pk in RunSets.objects.get(run=run).added
    assert data_points(mixpanel) == 1


def test_a_reader_sees_a_user_who_has_just_appeared(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("a")
    assert mixpanel.members() == set()
    users("a")
    assert mixpanel.members() == {"a"}


def test_late_matches_are_no_sync(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("a")
    mixpanel.members()
    before = mixpanel.cohort().last_sync_at
    users("a")
    mixpanel.members()
    assert (mixpanel.cohort().last_sync_at, mixpanel.cohort().source) == (before, "push")


def by_alias(users: MakeUsers) -> None:
    (profile,) = users("known")
    with transaction.atomic():
        add_alias(profile, "crm", "x")
        log_identity(profile.workspace_id, Kind.ALIASED, [profile.pk])


def by_external_id(users: MakeUsers) -> None:
    (profile,) = users(None)
    with transaction.atomic():
        Profile.objects.filter(pk=profile.pk).update(external_id="x")
        log_identity(profile.workspace_id, Kind.IDENTIFIED, [profile.pk])


def by_merge(users: MakeUsers) -> None:
    loser, survivor = users(None, "known")
    with transaction.atomic():
        add_alias(survivor, "crm", "x")
        log_identity(survivor.workspace_id, Kind.MERGED, [loser.pk], [survivor.pk])
        loser.delete()


def by_device(users: MakeUsers) -> None:
    with transaction.atomic():
        add_device(users(None)[0], "x")


@pytest.mark.parametrize("appear", [by_alias, by_external_id, by_merge, by_device])
def test_every_way_to_get_a_name(appear: Callable[[MakeUsers], None], mixpanel: Partner, users: MakeUsers) -> None:
    alias = {"alias_label": "crm", "alias_name": "x"}
    mixpanel.change({"user_ids": ["x"], "aliases": [alias], "device_ids": ["x"]})
    fold_cohort(mixpanel.cohort().pk)
    appear(users)
    follow(mixpanel.integration.workspace_id)
    assert len(stored(mixpanel)) == 1
    assert mixpanel.cohort().unmatched.count() == 2


def test_a_user_by_email_joins_when_they_appear(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.webhook("add_members", [{"email": "x@example.com"}])
    fold_cohort(mixpanel.cohort("7").pk)
    users("a", "b", email="x@example.com")
    assert mixpanel.members("7") == {"a", "b"}


def test_an_email_or_device_that_a_user_gets_later_is_noticed_too(mixpanel: Partner, users: MakeUsers) -> None:
    known, anonymous, _ = users("a", None, "b")
    mixpanel.webhook("add_members", [{"email": "x@example.com"}])
    mixpanel.change({"device_ids": ["phone"], "user_ids": ["nobody"]}, cohort_id="7")
    assert mixpanel.members("7") == set()
    Profile.objects.filter(pk=known.pk).update(email="x@example.com")
    add_device(anonymous, "phone")
    match_unlogged()
    assert stored(mixpanel, "7") == {known.pk, anonymous.pk}
    assert waiting(mixpanel, "7") == {"nobody"}


def test_a_later_remove_cancels_the_wait(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("a")
    mixpanel.members()
    mixpanel.remove("a")
    assert mixpanel.members() == set()
    users("a")
    follow(mixpanel.integration.workspace_id)
    assert mixpanel.members() == set()


def test_a_remove_that_waits_to_be_folded_comes_after_the_wait(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("a")
    mixpanel.members()
    mixpanel.remove("a")
    users("a")
    follow(mixpanel.integration.workspace_id)
    assert mixpanel.members() == set()


def test_a_full_copy_replaces_the_waiting_list(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.webhook("add_members", ["a", "b"])
    mixpanel.members("7")
    mixpanel.webhook("members", ["b", "c"], session="full")
    mixpanel.members("7")
    users("a", "b", "c")
    assert mixpanel.members("7") == {"b", "c"}


def test_who_joins_while_a_full_copy_gathers(mixpanel: Partner, users: MakeUsers) -> None:
    """What was asked for before the copy is replaced by it; what was asked for later stays on top of it."""
    mixpanel.webhook("add_members", ["before"])
    mixpanel.members("7")
    mixpanel.webhook("members", ["copied"], session="full", page=1, pages=2)
    mixpanel.webhook("add_members", ["later", "removed"])
    mixpanel.members("7")
    mixpanel.webhook("remove_members", ["copied too"])
    mixpanel.members("7")
    users("before", "copied", "later", "copied too")
    assert mixpanel.members("7") == {"before", "later"}
    mixpanel.webhook("members", ["copied too"], session="full", page=2, pages=2)
    assert mixpanel.members("7") == {"copied", "later"}


def test_who_appears_while_a_full_copy_is_folded_in_pieces(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "IDENTIFIERS_AT_ONCE", 1)
    for page, name in enumerate(("a", "b", "c"), start=1):
        mixpanel.webhook("members", [name], session="full", page=page, pages=3)
    cohort_id = mixpanel.cohort("7").pk
    folding._fold_some(cohort_id)
    assert waiting(mixpanel, "7") == {"a"}
    users("a")
    late.match_new(cohort_id)
    assert (stored(mixpanel, "7"), waiting(mixpanel, "7")) == (set(), set())
    assert mixpanel.members("7") == {"a"}
    run = SyncRun.objects.get()
    assert (run.received, run.added, run.unmatched, run.already_there) == (3, 1, 2, 0)


def test_the_same_id_in_several_cohorts_and_workspaces(mixpanel: Partner, segment: Partner, users: MakeUsers) -> None:
    elsewhere = connect(Workspace.objects.create(name="Other"), "mixpanel")
    for partner in (mixpanel, segment, elsewhere):
        partner.add("a")
        partner.members()
    users("a")
    follow_all()
    assert (mixpanel.cohort().size, segment.cohort().size, elsewhere.cohort().size) == (1, 1, 0)
    assert waiting(elsewhere) == {"a"}


def test_who_is_a_member_already_is_counted_so(mixpanel: Partner, users: MakeUsers) -> None:
    (profile,) = users("a")
    mixpanel.add("a", "b")
    mixpanel.members()
    with transaction.atomic():
        Profile.objects.filter(pk=profile.pk).update(external_id="b")
        log_identity(profile.workspace_id, Kind.IDENTIFIED, [profile.pk])
    mixpanel.members()
    run = SyncRun.objects.get(source="late")
    assert (run.received, run.added, run.already_there, run.data_points) == (1, 0, 1, 0)


# --- The race ---------------------------------------------------------------------------------------------------------


def test_a_user_inserted_while_a_fold_finds_nobody_joins_at_the_second_look(
    mixpanel: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's reader has passed the user before the fold has committed that somebody waits."""
    workspace_id = mixpanel.integration.workspace_id
    mixpanel.add("a")
    cohort_id = mixpanel.cohort().pk
    looked, passed, wait = threading.Event(), threading.Event(), unmatched.wait

    def wait_slowly(*arguments: Any) -> None:
        looked.set()
        assert passed.wait(10)
        wait(*arguments)

    with other_transaction() as session:
        # It began before the fold, so that the fold does not hold the log's reader back.
        insert_elsewhere(session, workspace_id, "a")

        def appear() -> None:
            assert looked.wait(10)
            session.commit()
            follow(workspace_id)
            passed.set()

        monkeypatch.setattr(folding.unmatched, "wait", wait_slowly)
        at_once(lambda: folding._fold_some(cohort_id), appear)
    assert IdentityCursor.objects.get().change == IdentityChange.objects.get().pk
    follow(workspace_id)
    assert (stored(mixpanel), waiting(mixpanel)) == (set(), {"a"})
    late.match_new(cohort_id)
    assert (len(stored(mixpanel)), waiting(mixpanel)) == (1, set())


def test_a_user_inserted_after_the_second_look_is_found_in_the_log(mixpanel: Partner) -> None:
    """Neither look can see a user whose transaction is still open; the log's reader sees them when it is not."""
    workspace_id = mixpanel.integration.workspace_id
    mixpanel.add("a")
    with other_transaction() as session:
        profile_id = insert_elsewhere(session, workspace_id, "a")
        fold_cohort(mixpanel.cohort().pk)
        follow(workspace_id)
        assert (stored(mixpanel), waiting(mixpanel)) == (set(), {"a"})
        session.commit()
    follow(workspace_id)
    assert stored(mixpanel) == {profile_id}


def test_the_gap_trap(mixpanel: Partner, users: MakeUsers) -> None:
    """A row of the log whose id was drawn first and that commits last is not stepped over."""
    workspace_id = mixpanel.integration.workspace_id
    mixpanel.add("first", "second")
    mixpanel.members()
    (first,) = Profile.objects.bulk_create([Profile(workspace_id=workspace_id, external_id="first")])
    with other_transaction() as session:
        session.execute(
            "INSERT INTO profiles_identitychange (workspace_id, kind, profile_ids) VALUES (%s, 'created', %s)",
            [workspace_id, [first.pk]],
        )
        users("second")
        follow(workspace_id)
        assert stored(mixpanel) == set()
        session.commit()
    follow(workspace_id)
    assert len(stored(mixpanel)) == 2


def test_a_crash_between_the_fold_and_the_second_look_is_made_up_for(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("a")
    cohort_id = mixpanel.cohort().pk
    folding._fold_some(cohort_id)
    make_users(mixpanel.integration.workspace, "a")
    IdentityChange.objects.all().delete()
    fold_stragglers()
    assert len(stored(mixpanel)) == 1


def test_a_crash_before_the_cursor_moved_applies_nothing_twice(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace_id = mixpanel.integration.workspace_id
    a, b = users("a", "b")
    mixpanel.add("a", "x")
    mixpanel.members()
    users("x")
    merge(a, b)
    with monkeypatch.context() as patch:
        patch.setattr(IdentityCursor, "save", _fail)
        with pytest.raises(RuntimeError):
            follow(workspace_id)
    before = (stored(mixpanel), data_points(mixpanel), list(SyncRun.objects.values_list("added", flat=True)))
    assert len(before[0]) == 2
    follow(workspace_id)
    after = (stored(mixpanel), data_points(mixpanel), list(SyncRun.objects.values_list("added", flat=True)))
    assert after == before


def _fail(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("killed")


# --- Costs ------------------------------------------------------------------------------------------------------------


def test_nothing_new_costs_a_reader_one_statement_more(
    mixpanel: Partner, users: MakeUsers, django_assert_num_queries: Any
) -> None:
    users("a")
    mixpanel.add("a")
    mixpanel.members()
    cohort = mixpanel.cohort()
    with django_assert_num_queries(4):
        cohort_members(mixpanel.integration.workspace_id, [cohort.pk])


def test_many_users_are_followed_in_steps(mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "USERS_AT_ONCE", 2)
    monkeypatch.setattr(late, "AT_ONCE", 2)
    names = [f"u{number}" for number in range(7)]
    mixpanel.add(*names)
    mixpanel.members()
    for name in names:
        users(name)
    follow(mixpanel.integration.workspace_id)
    assert mixpanel.cohort().size == 7
    assert SyncRun.objects.filter(source="late").count() == 1


def test_a_reader_leaves_much_to_the_workers(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "LITTLE", 1)
    mixpanel.add("a", "b")
    mixpanel.members()
    users("a", "b")
    assert mixpanel.members() == set()
    follow_all()
    assert mixpanel.members() == {"a", "b"}


def test_one_workspaces_trouble_does_not_stop_the_others(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = connect(Workspace.objects.create(name="Other"), "mixpanel")
    for partner in (mixpanel, other):
        partner.add("a")
        partner.members()
        make_users(partner.integration.workspace, "a")
    really = identities._match
    broken = mixpanel.integration.workspace_id
    monkeypatch.setattr(identities, "_match", lambda pk, ids: _fail() if pk == broken else really(pk, ids))
    follow_all()
    assert (mixpanel.cohort().size, other.cohort().size) == (0, 1)
    # A reader is not failed by it either.
    assert mixpanel.members() == set()


# --- Merges and deletions ---------------------------------------------------------------------------------------------


def test_the_survivor_is_in_every_cohort_that_either_was_in(mixpanel: Partner, users: MakeUsers) -> None:
    loser, survivor, other = users("loser", "survivor", "other")
    mixpanel.add("loser", cohort_id="1")
    mixpanel.add("survivor", cohort_id="2")
    mixpanel.add("loser", "survivor", cohort_id="3")
    mixpanel.add("other", cohort_id="4")
    for cohort_id in "1234":
        mixpanel.members(cohort_id)
    before = data_points(mixpanel)
    merge(loser, survivor)
    follow(mixpanel.integration.workspace_id)
    assert [stored(mixpanel, one) for one in "1234"] == [{survivor.pk}] * 3 + [{other.pk}]
    assert [mixpanel.cohort(one).size for one in "1234"] == [1] * 4
    assert data_points(mixpanel) == before
    runs = SyncRun.objects.filter(source="merge").order_by("cohort__cohort_id")
    assert list(runs.values_list("added", "already_there", "data_points")) == [(1, 0, 0), (0, 1, 0)]


def test_merges_in_a_chain(mixpanel: Partner, users: MakeUsers) -> None:
    first, second, third = users("1", "2", "3")
    mixpanel.add("1")
    mixpanel.members()
    merge(first, second)
    merge(second, third)
    assert mixpanel.members() == {"3"}


def test_a_merge_during_a_fold_is_not_lost(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fold has found the loser; the merge commits, and its reader waits for the fold."""
    loser, survivor = users("loser", "survivor")
    mixpanel.add("loser")
    found, merged, stop_waiting = threading.Event(), threading.Event(), unmatched.stop_waiting

    def stop_slowly(*arguments: Any) -> None:
        found.set()
        assert merged.wait(10)
        stop_waiting(*arguments)

    def merge_meanwhile() -> None:
        assert found.wait(10)
        merge(loser, survivor)
        merged.set()

    monkeypatch.setattr(folding.unmatched, "stop_waiting", stop_slowly)
    at_once(lambda: fold_cohort(mixpanel.cohort().pk), merge_meanwhile)
    monkeypatch.undo()
    assert mixpanel.members() == {"survivor"}


def test_a_merge_reaches_copies_on_their_way(mixpanel: Partner, users: MakeUsers) -> None:
    a, b, c, d, _e, f = users("a", "b", "c", "d", "e", "f")
    mixpanel.webhook("members", ["e"], session="full", page=1, pages=2)
    mixpanel.webhook("add_members", ["a", "d"])
    mixpanel.webhook("remove_members", ["c", "d"])
    mixpanel.members("7")
    merge(a, b)
    merge(d, b)
    merge(c, f)
    follow(mixpanel.integration.workspace_id)
    copy = FullCopy.objects.get()
    assert (set(copy.later_added), set(copy.later_removed)) == ({b.pk}, {f.pk})
    mixpanel.webhook("members", ["f"], session="full", page=2, pages=2)
    assert mixpanel.members("7") == {"b", "e"}


def test_a_deleted_user_leaves_stored_sets_and_listed_sizes(mixpanel: Partner, users: MakeUsers) -> None:
    a, b = users("a", "b")
    mixpanel.add("a", "b")
    mixpanel.members()
    delete(a)
    assert mixpanel.members() == {"b"}
    follow(mixpanel.integration.workspace_id)
    assert (stored(mixpanel), mixpanel.cohort().size) == ({b.pk}, 1)
    assert not IdentityCursor.objects.get().dead


def test_deletions_are_swept_together(mixpanel: Partner, users: MakeUsers) -> None:
    a, b, c = users("a", "b", "c")
    mixpanel.add("a", "b", "c")
    mixpanel.members()
    for one in (a, b):
        delete(one)
        follow(mixpanel.integration.workspace_id)
    assert stored(mixpanel) == {b.pk, c.pk}
    follow_all()
    assert stored(mixpanel) == {b.pk, c.pk}
    IdentityCursor.objects.update(swept_at=None)
    follow_all()
    assert stored(mixpanel) == {c.pk}


def test_a_deleted_user_does_not_come_back_by_a_copy_on_its_way(mixpanel: Partner, users: MakeUsers) -> None:
    (a,) = users("a")
    mixpanel.webhook("members", ["b"], session="full", page=1, pages=2)
    mixpanel.webhook("add_members", ["a"])
    mixpanel.members("7")
    delete(a)
    follow(mixpanel.integration.workspace_id)
    assert not FullCopy.objects.get().later_added
    mixpanel.webhook("members", ["a"], session="full", page=2, pages=2)
    assert mixpanel.members("7") == set()
    assert waiting(mixpanel, "7") == {"a", "b"}


def test_after_a_restore_everything_is_done_again_once(mixpanel: Partner, users: MakeUsers) -> None:
    """Transaction ids of the new cluster are lower than those of the log, and of the cursor."""
    a, b, c = users("a", "b", "c")
    mixpanel.add("a", "c", "x", "y")
    mixpanel.members()
    users("x")
    merge(a, b)
    delete(c)
    IdentityCursor.objects.update(xid=10**12, cluster=1)
    IdentityChange.objects.update(xid=10**12 + 1)
    users("y")
    follow_all()
    assert mixpanel.members() == {"b", "x", "y"}
    assert stored(mixpanel) == set(Profile.objects.values_list("pk", flat=True))
    place = IdentityCursor.objects.get()
    assert place.xid < 10**12
    users("z")
    mixpanel.add("z")
    assert mixpanel.members() == {"b", "x", "y", "z"}


def test_what_waits_is_never_matched_with_a_name_that_was_taken_away(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.change({"aliases": [{"alias_label": "crm", "alias_name": "x"}]})
    mixpanel.members()
    (profile,) = users("a")
    with transaction.atomic():
        add_alias(profile, "crm", "x")
        log_identity(profile.workspace_id, Kind.ALIASED, [profile.pk])
    Alias.objects.all().delete()
    assert mixpanel.members() == set()
    assert waiting(mixpanel) == {"x"}


def test_two_followers_at_once_apply_everything_once(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add(*(f"u{number}" for number in range(20)))
    mixpanel.members()
    for number in range(20):
        users(f"u{number}")
    workspace_id = mixpanel.integration.workspace_id
    at_once(lambda: follow(workspace_id), lambda: follow(workspace_id), follow_all)
    assert (mixpanel.cohort().size, data_points(mixpanel)) == (20, 20)
    assert sum(SyncRun.objects.filter(source="late").values_list("added", flat=True)) == 20


def test_copies_hold_nobody_else(mixpanel: Partner, users: MakeUsers) -> None:
    """A merge that concerns nobody in a copy leaves it as it is."""
    a, b = users("a", "b")
    mixpanel.webhook("members", ["x"], session="full", page=1, pages=2)
    copy = FullCopy.objects.get()
    copies.replace_users(copy, {a.pk: b.pk}, ProfileSet())
    assert not FullCopy.objects.get().matched
    assert Device.objects.count() == UnmatchedId.objects.count() == 0


def test_a_reader_waits_for_another_follower_to_end(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("a")
    mixpanel.members()
    users("a")
    begun, seen = threading.Event(), []

    def hold() -> None:
        with only_one(identities._LOCK, mixpanel.integration.workspace_id) as mine:
            assert mine
            begun.set()
            time.sleep(0.2)

    def look() -> None:
        assert begun.wait(10)
        seen.append(mixpanel.members())

    at_once(hold, look)
    assert seen == [{"a"}]


def test_a_reader_does_not_wait_for_ever(mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "PATIENCE_SECONDS", 0.05)
    mixpanel.add("a")
    mixpanel.members()
    users("a")
    with other_transaction() as session:
        session.execute("SELECT pg_advisory_lock(%s, %s)", [identities._LOCK, mixpanel.integration.workspace_id])
        session.commit()
        assert mixpanel.members() == set()
    assert mixpanel.members() == {"a"}
