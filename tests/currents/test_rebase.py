"""After a dump and restore transaction ids start again below the log's: delivery stops until they are mapped."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from currents import delivery, lifecycle
from currents.due import due_currents
from currents.lifecycle import LifecycleError
from currents.log import needs_rebase
from currents.models import Current, Cursor, Event, EventSelection, LogCluster
from currents.rebase import stamp
from tests.currents.conftest import arrived_ids, counts, event, log_events, make_current
from tests.logins import logged_in
from tests.sandbox.running import RunningSandbox
from workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

FAR = 10**12
SEND = "users.messages.email.Send"


@pytest.fixture
def restored(current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> Any:
    """A log from a cluster that counted far higher: one event delivered, an edit, two events that wait."""
    stamp()
    log_events(workspace, event(1))
    delivery.deliver(current.pk)
    lifecycle.select(current, [SEND])
    log_events(workspace, event(2), event(3, event_type=SEND))
    Event.objects.update(xid=F("xid") + FAR)
    Cursor.objects.update(xid=F("xid") + FAR)
    EventSelection.objects.update(from_xid=F("from_xid") + FAR)
    LogCluster.objects.update(system_identifier=1)
    return timezone.now()


def _rebase(**options: Any) -> str:
    said = StringIO()
    call_command("currents_rebase", stdout=said, **options)
    return said.getvalue()


def test_it_works(restored: Any, current: Current, workspace: Workspace, mixpanel: RunningSandbox) -> None:
    assert needs_rebase()
    assert due_currents() == []
    delivery.deliver(current.pk, flush=True)
    assert mixpanel.total() == 1

    assert "3 events" in _rebase()
    log_events(workspace, event(4, event_type=SEND))
    delivery.deliver(current.pk)

    assert arrived_ids(mixpanel) == [event(number).event_id for number in (1, 3, 4)]
    assert counts(current) == {"delivered": 3, "not_selected": 1}


def test_what_was_logged_since_the_restore_comes_behind(
    restored: Any, current: Current, workspace: Workspace, mixpanel: RunningSandbox
) -> None:
    log_events(workspace, event(4, event_type=SEND))

    _rebase(restored_at=restored.isoformat())
    delivery.deliver(current.pk)

    assert arrived_ids(mixpanel) == [event(number).event_id for number in (1, 3, 4)]


def test_a_second_run_changes_nothing(restored: Any) -> None:
    _rebase()
    before = list(Event.objects.values_list("id", "xid"))
    assert "Nothing to do" in _rebase()
    assert list(Event.objects.values_list("id", "xid")) == before


def test_nothing_is_launched_before(restored: Any, workspace: Workspace) -> None:
    with pytest.raises(LifecycleError, match="currents_rebase"):
        lifecycle.launch(make_current(workspace, name="Another"))


def test_the_page_tells(restored: Any, current: Current) -> None:
    client = logged_in(User.objects.create_superuser("root", password="password"))
    assert b"currents_rebase" in client.get(f"/admin/currents/current/{current.pk}/").content


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-31T12:00:00", "2026-13-31T12:00:00Z"])
def test_a_moment_of_another_form_is_refused(moment: str) -> None:
    with pytest.raises(CommandError, match="restored-at"):
        _rebase(restored_at=moment)
