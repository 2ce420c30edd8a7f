"""Following the identity log: what it costs, merges, deletions, a restored database."""

import threading
import time
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from currents.models import LogCluster
from currents.rebase import stamp
from partners import copies, folding, identities, late, unmatched
from partners.folding import fold_cohort
from partners.identities import follow, follow_all
from partners.locks import only_one
from partners.models import FullCopy, IdentityCursor, SyncRun, UnmatchedId
from partners.reading import cohort_members
from profiles.live import forget_old_changes, live_users, log_identity
from profiles.models import Alias, Device, IdentityChange, Profile
from profiles.sets import ProfileSet
from profiles.stores import LogCursor
from tests.partners.conftest import MakeUsers, Partner, add_alias, at_once, connect, make_users
from tests.partners.people import (
    Kind,
    data_points,
    delete,
    fail,
    merge,
    other_transaction,
    stored,
    waiting,
)
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_works(mixpanel: Partner, users: MakeUsers) -> None:
    loser, survivor, gone = users("loser", "survivor", "gone")
    mixpanel.add("loser", "gone", "new")
    mixpanel.members()
    merge(loser, survivor)
    delete(gone)
    (new,) = users("new")
    follow(mixpanel.integration.workspace_id)
    assert stored(mixpanel) == {survivor.pk, new.pk}
    assert mixpanel.cohort().size == 2


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
    monkeypatch.setattr(identities, "_match", lambda pk, ids: fail() if pk == broken else really(pk, ids))
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


def test_after_a_restore_the_command_lets_everybody_go_on_where_they_were(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``currents_rebase`` before anybody follows, nothing is done again: rows and cursors are shifted together."""
    a, b = users("a", "b")
    mixpanel.add("a", "x")
    assert mixpanel.members() == {"a"}
    users("x")
    merge(a, b)
    far, old = 10**12, 4711
    stamp()
    IdentityChange.objects.update(xid=F("xid") + far)
    IdentityCursor.objects.update(xid=F("xid") + far, cluster=old)
    LogCursor.objects.create(name="counters", xid=far, cluster=old)
    LogCluster.objects.update(system_identifier=old)
    call_command("currents_rebase", stdout=StringIO())
    monkeypatch.setattr(identities, "_start_over", fail)
    order = list(IdentityChange.objects.order_by("xid", "id").values_list("pk", flat=True))
    assert order == sorted(order)
    users("z")
    mixpanel.add("z")
    assert mixpanel.members() == {"b", "x", "z"}
    follow_all()
    place = IdentityCursor.objects.get()
    assert (place.xid, place.change) == IdentityChange.objects.order_by("xid", "id").values_list("xid", "id").last()
    assert LogCursor.objects.get().xid < 10**9
    assert LogCursor.objects.get().cluster == place.cluster


def test_what_the_log_says_is_kept_for_30_days_and_until_it_was_followed(mixpanel: Partner, users: MakeUsers) -> None:
    workspace = mixpanel.integration.workspace
    elsewhere = Workspace.objects.create(name="Nobody follows")
    make_users(elsewhere, "e")
    mixpanel.add("x")
    mixpanel.members()
    users("a")
    follow(workspace.pk)
    users("x")
    live_users(workspace.pk), live_users(elsewhere.pk)
    assert forget_old_changes() == 0
    IdentityChange.objects.update(made_at=timezone.now() - timedelta(days=31))
    assert forget_old_changes(chunk=1) == 2
    assert mixpanel.members() == {"x"}
    assert forget_old_changes() == 1
    assert not IdentityChange.objects.exists()
    assert len(live_users(workspace.pk)) == 2


def test_what_is_not_folded_into_the_live_users_is_kept(mixpanel: Partner, users: MakeUsers) -> None:
    users("a")
    follow(mixpanel.integration.workspace_id)
    IdentityChange.objects.update(made_at=timezone.now() - timedelta(days=31), folded=False)
    assert forget_old_changes() == 0


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
