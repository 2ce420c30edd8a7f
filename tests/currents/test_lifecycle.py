"""Draft, launch, edit, pause, resume, stop, start again; and what counts from when."""

from typing import Any

import pytest
from django.db import connection

from currents import delivery, lifecycle
from currents.catalogue import offered
from currents.lifecycle import LifecycleError
from currents.log import horizon
from currents.models import SHARDS, Current
from currents.wakeup import wake_on_commit
from tests.currents.conftest import arrived_ids, counts, event, log_events, make_current
from tests.currents.test_log import _insert_elsewhere, other_connection
from tests.sandbox.running import RunningSandbox
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

OPEN, SEND = "users.messages.email.Open", "users.messages.email.Send"


def _ids(*numbers: int) -> list[str]:
    return [event(number).event_id for number in numbers]


def test_it_works(workspace: Workspace, mixpanel: RunningSandbox) -> None:
    """What was logged before the launch is not sent; what comes after it is."""
    draft = make_current(workspace)
    log_events(workspace, event(1))

    lifecycle.launch(draft)
    log_events(workspace, event(2))
    delivery.deliver(draft.pk)

    assert draft.status == Current.Status.ACTIVE
    assert draft.cursors.count() == SHARDS
    assert arrived_ids(mixpanel) == _ids(2)


def test_an_event_of_a_transaction_that_runs_at_the_launch_is_sent(
    workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    draft = make_current(workspace)
    with other_connection() as slow:
        _insert_elsewhere(slow, workspace, event(1).event_id, "user-1")
        lifecycle.launch(draft)
        slow.commit()
    delivery.deliver(draft.pk)

    assert arrived_ids(mixpanel) == _ids(1)


def test_an_edit_counts_from_its_moment_on(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    lifecycle.select(current, [OPEN])
    log_events(workspace, event(1), event(2, event_type=SEND))
    lifecycle.select(current, [SEND])
    log_events(workspace, event(3), event(4, event_type=SEND))

    delivery.deliver(current.pk)

    assert arrived_ids(mixpanel) == _ids(1, 4)
    assert counts(current) == {"delivered": 2, "not_selected": 2}


def test_the_selections_moment_is_the_oldest_running_transaction(current: Current) -> None:
    with other_connection() as slow:
        slow.execute("SELECT pg_current_xact_id()")
        oldest = horizon()
        lifecycle.select(current, [OPEN])

    assert current.selections.last().from_xid == oldest  # type: ignore[union-attr]


def test_an_edit_that_changes_nothing_leaves_no_trace(current: Current) -> None:
    lifecycle.select(current, current.event_types)
    assert current.selections.count() == 1


def test_pause_keeps_what_comes(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    lifecycle.pause(current)
    log_events(workspace, event(1))
    delivery.deliver(current.pk)
    assert mixpanel.total() == 0

    lifecycle.resume(current)
    delivery.deliver(current.pk)
    assert arrived_ids(mixpanel) == _ids(1)


def test_stop_ends_it_and_a_restart_begins_from_then(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    log_events(workspace, event(1))
    lifecycle.stop(current)
    log_events(workspace, event(2))
    assert not current.cursors.exists()
    delivery.deliver(current.pk)

    lifecycle.launch(current)
    log_events(workspace, event(3))
    delivery.deliver(current.pk)

    assert arrived_ids(mixpanel) == _ids(3)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ({"event_types": []}, "event"),
        ({"contact_email": ""}, "Contact Email"),
        ({"contact_email": "", "secrets": {}}, r"^Fill in: Contact Email, API Secret, Token\.$"),
        ({"secrets": {"token": "t"}}, "API Secret"),
        ({"secrets": {"api_secret": "s"}}, "Token"),
        ({"options": {}}, "Region"),
        ({"destination": "nowhere"}, "destination"),
    ],
)
def test_a_launch_needs_everything(workspace: Workspace, settings: Any, missing: dict[str, Any], reason: str) -> None:
    draft = make_current(workspace, **missing)

    with pytest.raises(LifecycleError, match=reason):
        lifecycle.launch(draft)

    draft.refresh_from_db()
    assert draft.status == Current.Status.DRAFT
    assert not draft.cursors.exists()


@pytest.mark.parametrize(
    ("before", "act"),
    [
        (Current.Status.DRAFT, lifecycle.pause),
        (Current.Status.DRAFT, lifecycle.stop),
        (Current.Status.ACTIVE, lifecycle.launch),
        (Current.Status.ACTIVE, lifecycle.resume),
        (Current.Status.PAUSED, lifecycle.pause),
        (Current.Status.STOPPED, lifecycle.resume),
    ],
)
def test_what_cannot_be_done_now_is_refused(current: Current, before: str, act: Any) -> None:
    Current.objects.filter(pk=current.pk).update(status=before)
    current.refresh_from_db()

    with pytest.raises(LifecycleError):
        act(current)

    current.refresh_from_db()
    assert current.status == before
    assert current.cursors.count() == SHARDS


def test_a_type_that_is_not_offered_cannot_be_chosen(current: Current) -> None:
    with pytest.raises(LifecycleError, match=r"users\.messages\.line\.Send"):
        lifecycle.select(current, ["users.messages.line.Send"])


def test_a_running_current_needs_an_event(current: Current) -> None:
    with pytest.raises(LifecycleError):
        lifecycle.select(current, [])


def test_a_stop_in_mid_delivery_wins(
    current: Current, workspace: Workspace, mixpanel: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from currents.sending import send

    def stop_then_send(request: Any) -> Any:
        reply = send(request)
        with other_connection() as session:
            session.execute("UPDATE currents_current SET status = 'stopped' WHERE id = %s", [current.pk])
            session.execute("DELETE FROM currents_cursor WHERE current_id = %s", [current.pk])
            session.commit()
        return reply

    monkeypatch.setattr(delivery, "send", stop_then_send)
    log_events(workspace, event(1))

    delivery.deliver(current.pk)

    assert counts(current) == {}
    assert mixpanel.total() == 1


def test_a_wake_up_follows_the_commit(current: Current, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import transaction

    from currents import tasks, wakeup

    woken: list[int] = []
    monkeypatch.setattr(wakeup, "SPACING", 0.0)
    monkeypatch.setattr(tasks.wake, "delay", woken.append)
    with transaction.atomic():
        wake_on_commit(workspace.pk)
        assert woken == []
    assert woken == [workspace.pk]
    assert connection.in_atomic_block is False


def test_offered_types_are_what_mixpanel_takes(current: Current) -> None:
    assert lifecycle.target_of(current).types() == offered()
