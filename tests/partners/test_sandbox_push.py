"""The Mixpanel sandbox pushes to us over real sockets: first the whole cohort, then the differences."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from pytest_django.live_server_helper import LiveServer

from partners.models import Cohort, SyncRun
from tests.partners.conftest import Partner, connect, make_users
from tests.sandbox.conftest import FAST
from tests.sandbox.running import RunningSandbox, wait_until
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def partner(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Partner:
    # The sandbox keeps its connections to us open, and the server's threads would keep theirs to the database.
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", 0)
    workspace = Workspace.objects.create(name="Example")
    make_users(workspace, *(f"user-{number}" for number in range(2_500)))
    return connect(workspace, "mixpanel")


@pytest.fixture
def own_sandbox() -> Iterator[RunningSandbox]:
    """A sandbox that is gone after the test, and its connections to us with it."""
    running = RunningSandbox(FAST, None)
    yield running
    running.stop()


def synced(sandbox: RunningSandbox, cohort_id: int, syncs: int) -> Any:
    """The export, once it has succeeded after the ``syncs``-th change."""

    def last() -> Any:
        export = sandbox.call("GET", f"/sandbox/cohorts/{cohort_id}/export").json
        return export if export["pushed"] == syncs and export["last"] and export["last"]["ok"] else None

    return wait_until(last)


@pytest.mark.parametrize("via", ["partner", "webhook"])
def test_it_works(live_server: LiveServer, partner: Partner, own_sandbox: RunningSandbox, via: str) -> None:
    connection = {"via": via, "data_import_key": partner.client_secret}
    if via == "webhook":
        connection["webhook_url"] = f"{live_server.url}/partners/mixpanel/webhook/{partner.integration.api_id}"
    else:
        connection |= {"endpoint": live_server.url, "partner_api_key": partner.partner_api_key}
    assert own_sandbox.call("POST", "/sandbox/connection", connection).status in (200, 201)
    members = [f"user-{number}" for number in range(2_200)]
    made = own_sandbox.call("POST", "/sandbox/cohorts", {"name": "Power users", "members": [*members, "nobody"]}).json
    assert (
        own_sandbox.call("POST", f"/sandbox/cohorts/{made['id']}/export", {"type": "dynamic", "every": 0.3}).status
        < 300
    )
    synced(own_sandbox, made["id"], 2_201)
    cohort = Cohort.objects.get()
    assert (cohort.name, cohort.integration) == ("Power users", partner.integration)
    assert partner.members(cohort.cohort_id) == set(members)
    changed = [*members[100:], "user-2400"]
    own_sandbox.call("PUT", f"/sandbox/cohorts/{made['id']}", {"name": "Renamed", "members": changed})
    synced(own_sandbox, made["id"], len(changed))
    assert partner.members(cohort.cohort_id) == set(changed)
    assert Cohort.objects.get().name == "Renamed"
    runs = SyncRun.objects.filter(cohort=cohort)
    assert sum(runs.values_list("added", flat=True)) - sum(runs.values_list("removed", flat=True)) == len(changed)


def test_the_sandbox_is_told_of_a_wrong_key(
    live_server: LiveServer, partner: Partner, own_sandbox: RunningSandbox
) -> None:
    keys = {"data_import_key": "wrong", "partner_api_key": partner.partner_api_key}
    own_sandbox.call("POST", "/sandbox/connection", {"via": "partner", "endpoint": live_server.url, **keys})
    made = own_sandbox.call("POST", "/sandbox/cohorts", {"name": "Power users", "members": ["user-1"]}).json
    own_sandbox.call("POST", f"/sandbox/cohorts/{made['id']}/export", {"type": "one_time"})

    def error() -> Any:
        return own_sandbox.call("GET", f"/sandbox/cohorts/{made['id']}/export").json["error"]

    assert "Invalid client secret" in wait_until(error)
    assert not Cohort.objects.exists()
