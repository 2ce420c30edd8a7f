"""The rate limit of a data import key, and how its use is counted, without a write per request."""

import re
import socket
import time
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import ConnectionError as NoConnection

from partners.metering import HOUR, forget_old_counts, import_limit
from partners.models import CohortChange, DataImportKey, KeyUse
from partners.tasks import store_key_use
from tests.logins import client_of
from tests.partners.conftest import Partner, connect
from tests.partners.test_screens import page, text_of
from workspaces import rate_limits, valkey
from workspaces.models import Workspace
from workspaces.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts of this test alone, whatever hour it runs in."""
    monkeypatch.setattr(rate_limits, "_place", lambda limit, window: f"test:{id(monkeypatch)}:{limit.name}:{window}")
    monkeypatch.setattr(valkey, "_quiet_until", 0.0)


def counts() -> dict[int, int]:
    """What Valkey has counted in this hour, by key."""
    return rate_limits.counts(import_limit(), int(time.time()) // HOUR)


def requests_of(partner: Partner) -> list[int]:
    return list(KeyUse.objects.filter(key=partner.key).values_list("requests", flat=True))


def test_it_works(mixpanel: Partner) -> None:
    for _ in range(3):
        assert mixpanel.change().status_code == 201
    assert mixpanel.webhook("members", ["a"]).status_code == 200
    assert counts() == {mixpanel.key.pk: 4}
    store_key_use()
    assert requests_of(mixpanel) == [4]


def test_above_the_limit_is_429_with_when_to_come_back(mixpanel: Partner, settings: LazySettings) -> None:
    settings.PARTNER_REQUESTS_PER_HOUR = 2
    assert [mixpanel.change({"user_ids": ["a"]}).status_code for _ in range(3)] == [201, 201, 429]
    refused = mixpanel.change({"user_ids": ["b"]})
    assert 1 <= int(refused["Retry-After"]) <= HOUR
    assert (refused["X-RateLimit-Limit"], refused["X-RateLimit-Remaining"]) == ("2", "0")
    assert "2 requests an hour" in refused.json()["message"]
    assert CohortChange.objects.count() == 2
    webhook = mixpanel.webhook("members", ["a"])
    assert webhook.status_code == 429
    assert webhook.json()["status"] == "failure"
    assert webhook.json()["error"]["code"] == 429
    assert "Retry-After" in webhook


def test_each_key_has_its_own_limit(mixpanel: Partner, segment: Partner, settings: LazySettings) -> None:
    settings.PARTNER_REQUESTS_PER_HOUR = 1
    _row, key = DataImportKey.make(integration=mixpanel.integration)
    assert mixpanel.change().status_code == 201
    assert mixpanel.change().status_code == 429
    assert mixpanel.change(client_secret=key.secret).status_code == 201
    assert segment.change().status_code == 201


def test_the_next_hour_begins_anew(mixpanel: Partner, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PARTNER_REQUESTS_PER_HOUR = 1
    now = time.time()
    monkeypatch.setattr(rate_limits.time, "time", lambda: now)
    assert [mixpanel.change().status_code for _ in range(2)] == [201, 429]
    monkeypatch.setattr(rate_limits.time, "time", lambda: now + HOUR)
    assert mixpanel.change().status_code == 201


def test_the_default_is_what_braze_documents(settings: LazySettings) -> None:
    assert settings.PARTNER_REQUESTS_PER_HOUR == 250_000


def test_a_wrong_key_uses_up_nothing(mixpanel: Partner) -> None:
    assert mixpanel.change(client_secret="wrong").status_code == 401
    assert counts() == {}


def test_without_valkey_nothing_is_refused_and_nothing_waits(
    mixpanel: Partner, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PARTNER_REQUESTS_PER_HOUR = 1
    asked: list[None] = []

    class Down:
        def pipeline(self, **_options: Any) -> Any:
            asked.append(None)
            raise NoConnection

        def hgetall(self, _name: str) -> Any:
            raise NoConnection

    monkeypatch.setattr(valkey, "valkey", Down)
    assert [mixpanel.change().status_code for _ in range(5)] == [201] * 5
    assert len(asked) == 1
    store_key_use()
    assert requests_of(mixpanel) == []


def test_a_valkey_that_does_not_answer_costs_one_request_a_moment(
    mixpanel: Partner, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VALKEY_TIMEOUT = 0.1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        client = valkey.valkey.__wrapped__()
        monkeypatch.setattr(valkey, "valkey", lambda: client)
        monkeypatch.setattr(valkey, "QUIET_SECONDS", 600.0)
        assert [mixpanel.change().status_code for _ in range(3)] == [201] * 3
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # nobody else called
            silent.accept()


def test_a_request_writes_nothing_about_its_key(mixpanel: Partner) -> None:
    mixpanel.change()
    with CaptureQueriesContext(connection) as captured:
        mixpanel.change()
    writes = [query["sql"] for query in captured.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]
    assert not [sql for sql in writes if not sql.startswith("INSERT INTO partners_cohortchange")]


def test_storing_again_changes_nothing_and_a_count_never_shrinks(
    mixpanel: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixpanel.change()
    mixpanel.change()
    store_key_use()
    store_key_use()
    assert requests_of(mixpanel) == [2]
    # Valkey was flushed.
    monkeypatch.setattr(rate_limits, "_place", lambda limit, window: f"flushed:{id(monkeypatch)}:{window}")
    mixpanel.change()
    store_key_use()
    assert requests_of(mixpanel) == [2]


def test_the_page_shows_how_much_a_key_is_used(mixpanel: Partner, workspace: Workspace) -> None:
    for _ in range(7):
        mixpanel.change()
    store_key_use()
    shown = text_of(client_of(workspace, Role.ADMIN).get(page("integration_partner", "mixpanel")))
    assert re.search(r'<td class="ui-number"[^>]*>7</td>', shown)


def test_old_counts_and_deleted_keys_are_forgotten(mixpanel: Partner) -> None:
    mixpanel.change()
    other = connect(Workspace.objects.create(name="Other"), "mixpanel")
    other.change()
    other.key.delete()
    store_key_use()
    assert KeyUse.objects.count() == 1
    KeyUse.objects.update(hour="2020-01-01T00:00:00Z")
    forget_old_counts()
    assert not KeyUse.objects.exists()
