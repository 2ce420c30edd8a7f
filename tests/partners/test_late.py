"""Late matching: whoever waits joins when their user appears, whatever happens at the same moment."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from currents.log import NewEvent, append_events
from partners import folding, late, matching, unmatched
from partners.changes import EXTERNAL_ID, Group
from partners.folding import fold_cohort
from partners.identities import follow, follow_all
from partners.lookup import look_up
from partners.models import IdentityCursor, RunSets, SyncRun
from partners.tasks import fold_stragglers, match_unlogged
from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from profiles.received import count_received
from profiles.renaming import remove_external_ids, rename_external_ids
from tests.partners.conftest import MakeUsers, Partner, add_alias, add_device, at_once, connect, make_users
from tests.partners.people import (
    Kind,
    data_points,
    fail,
    insert_elsewhere,
    merge,
    other_transaction,
    stored,
    waiting,
)
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_a_device_that_an_event_tells_of_is_noticed_too(mixpanel: Partner, users: MakeUsers) -> None:
    """Of an anonymous user only."""
    _known, anonymous = users("a", None)
    mixpanel.change({"device_ids": ["phone", "tablet"]})
    assert mixpanel.members() == set()
    seen = [
        NewEvent("users.behaviors.app.SessionStart", 1_714_560_000, user_id=anonymous.braze_id, device_id="phone"),
        NewEvent("users.behaviors.app.SessionStart", 1_714_560_000, "a", device_id="tablet"),
    ]
    append_events(mixpanel.integration.workspace_id, seen, from_outside=True)
    count_received()
    match_unlogged()
    assert stored(mixpanel) == {anonymous.pk}
    assert waiting(mixpanel) == {"tablet"}


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
        patch.setattr(IdentityCursor, "save", fail)
        with pytest.raises(RuntimeError):
            follow(workspace_id)
    before = (stored(mixpanel), data_points(mixpanel), list(SyncRun.objects.values_list("added", flat=True)))
    assert len(before[0]) == 2
    follow(workspace_id)
    after = (stored(mixpanel), data_points(mixpanel), list(SyncRun.objects.values_list("added", flat=True)))
    assert after == before


# --- Renamed users ----------------------------------------------------------------------------------------------------


def rename(profile: Profile, new: str) -> None:
    assert profile.external_id is not None
    assert rename_external_ids(profile.workspace_id, [(profile.external_id, new)]) == [None]


def test_an_id_that_was_renamed_still_names_its_user(mixpanel: Partner, users: MakeUsers) -> None:
    (profile,) = users("old")
    rename(profile, "new")
    mixpanel.add("old")
    assert mixpanel.members() == {"new"}
    mixpanel.remove("new")
    assert mixpanel.members() == set()
    mixpanel.add("old", "new")
    assert mixpanel.members() == {"new"}
    run = SyncRun.objects.get()
    assert (run.received, run.added, run.removed, run.already_there, run.unmatched) == (4, 2, 1, 1, 0)
    assert waiting(mixpanel) == set()


def test_a_renamed_id_of_another_workspace_names_nobody(mixpanel: Partner, users: MakeUsers) -> None:
    other = connect(Workspace.objects.create(name="Other"), "mixpanel")
    (profile,) = users("old")
    rename(profile, "new")
    rename(make_users(other.integration.workspace, "elsewhere")[0], "there")
    other.add("old", "new")
    assert other.members() == set()
    assert waiting(other) == {"old", "new"}


def test_an_id_that_was_renamed_and_removed_waits(mixpanel: Partner, users: MakeUsers) -> None:
    (profile,) = users("old")
    rename(profile, "new")
    assert remove_external_ids(profile.workspace_id, ["old"]) == {"old"}
    mixpanel.add("old")
    assert mixpanel.members() == set()
    assert waiting(mixpanel) == {"old"}


def test_whoever_waits_joins_by_the_new_id_and_by_the_old_one(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("new")
    assert mixpanel.members() == set()
    (profile,) = users("old")
    rename(profile, "new")
    assert mixpanel.members() == {"new"}
    assert waiting(mixpanel) == set()


def test_a_user_who_appears_and_is_renamed_before_anybody_looks(mixpanel: Partner, users: MakeUsers) -> None:
    mixpanel.add("old")
    mixpanel.members()
    (profile,) = users("old")
    rename(profile, "new")
    assert mixpanel.members() == {"new"}
    assert waiting(mixpanel) == set()


def test_a_user_is_looked_up_by_an_id_that_was_renamed(mixpanel: Partner, users: MakeUsers) -> None:
    (profile,) = users("old")
    mixpanel.add("old")
    mixpanel.members()
    rename(profile, "new")
    cohort = mixpanel.cohort()
    for text in ("old", "new"):
        (person,) = look_up(cohort, cohort.members, text).people
        assert (person.profile.pk, person.is_member, len(person.steps)) == (profile.pk, True, 1)


def test_deprecated_ids_of_others_cost_a_match_one_probe(
    mixpanel: Partner, users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no id was ever renamed, no value is looked for among those that were."""
    # This cursor writes the values into the statement, so that it can be explained.
    monkeypatch.setattr(matching, "binary_cursor", connection.cursor)
    users("a")
    mixpanel.add("a")
    with CaptureQueriesContext(connection) as captured:
        matching.match(mixpanel.integration.workspace_id, [Group(EXTERNAL_ID, False, ["a", "b"])])
    (statement,) = [query["sql"] for query in captured.captured_queries]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) {statement}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "One-Time Filter" in plan, plan
    assert plan.count("never executed") >= 1, plan
