"""Public clients of Braze's API, unmodified, against a real server: braze-client and braze-api-client from PyPI."""

from collections.abc import Iterator
from typing import Any

import pytest
from braze.client import BrazeClient, BrazeClientError, BrazeRateLimitError
from braze_api_client.client import Client
from django.core.cache import cache
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from currents.models import Event
from profiles.models import Profile
from tests.profiles.worlds import alias, aliases, event, purchase, user
from workspaces.endpoints import ENDPOINTS
from workspaces.models import ApiKey, Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(transactional_db: None) -> str:
    workspace = Workspace.objects.create(name="Example")
    return str(ApiKey.make(workspace=workspace, name="All", permissions=list(ENDPOINTS))[1].secret)


@pytest.fixture
def braze_client(live_server: LiveServer, key: str) -> Iterator[BrazeClient]:
    client = BrazeClient(api_key=key, api_url=live_server.url)
    yield client
    # The server's thread lives, with its database connection, as long as the client keeps its own open.
    client.session.close()


@pytest.fixture
def api_client(live_server: LiveServer, key: str) -> Iterator[Client]:
    client = Client(key, live_server.url)
    yield client
    client._session.close()


# --- braze-client ---


def test_it_works(braze_client: BrazeClient) -> None:
    answer = braze_client.user_track(
        attributes=[{"external_id": "user-1", "first_name": "One", "email": "one@example.com", "status": "Active"}],
        events=[event(external_id="user-1")],
        purchases=[purchase(external_id="user-1")],
    )
    assert answer == {
        "message": "success",
        "errors": [],
        "status_code": 201,
        "success": True,
        "attributes_processed": 1,
        "events_processed": 1,
        "purchases_processed": 1,
    }
    assert user("user-1").custom_attributes == {"status": "Active"}
    assert Event.objects.count() == 2


def test_partial_errors_reach_the_caller(braze_client: BrazeClient) -> None:
    answer = braze_client.user_track(attributes=[{"external_id": "user-1"}, {"first_name": "Nobody"}])
    assert answer["success"] is False
    assert [one["index"] for one in answer["errors"]] == [1]


def test_nothing_usable_is_raised(braze_client: BrazeClient) -> None:
    with pytest.raises(BrazeClientError, match="Valid data must be provided"):
        braze_client.user_track(attributes=[{"first_name": "Nobody"}])


@pytest.mark.parametrize("who", [{"external_ids": ["user-1"]}, {"email": "one@example.com"}])
def test_exporting(braze_client: BrazeClient, who: dict[str, Any]) -> None:
    braze_client.user_track(attributes=[{"external_id": "user-1", "email": "one@example.com", "plan": "gold"}])
    answer = braze_client.user_export(**who, fields_to_export=["email", "custom_attributes"])
    assert answer["success"] is True
    assert answer["users"] == [{"email": "one@example.com", "custom_attributes": {"plan": "gold"}}]


def test_deleting(braze_client: BrazeClient) -> None:
    braze_client.user_track(attributes=[{"external_id": "user-1"}])
    answer = braze_client.user_delete(external_ids=["user-1"])
    assert (answer["success"], answer["deleted"]) == (True, 1)
    assert not Profile.objects.exists()


def test_a_wrong_key_is_raised(live_server: LiveServer, key: str) -> None:
    with pytest.raises(BrazeClientError, match="Invalid API key"):
        BrazeClient(api_key="wrong", api_url=live_server.url).user_delete(external_ids=["user-1"])


def test_the_limit_tells_when_to_try_again(braze_client: BrazeClient, settings: Settings) -> None:
    settings.REST_RATE_LIMITS = {"": (1, 3600)}
    cache.clear()
    braze_client.user_delete(external_ids=["user-1"])
    with pytest.raises(BrazeRateLimitError) as error:
        braze_client.user_delete(external_ids=["user-1"])
    assert error.value.reset_epoch_s > 1_700_000_000


# --- braze-api-client ---


def test_tracking_with_the_other_client(api_client: Client) -> None:
    answer = api_client.users.track.create_item({"attributes": [{"external_id": "user-1", "plan": "gold"}]})
    assert (answer.status_code, answer.json()) == (201, {"message": "success", "attributes_processed": 1})
    assert user("user-1").custom_attributes == {"plan": "gold"}


def test_aliases_with_the_other_client(api_client: Client) -> None:
    api_client.users.track.create_item({"attributes": [{"external_id": "user-1"}]})
    answer = api_client.users.alias.new.create_item({"user_aliases": [{**alias("a"), "external_id": "user-1"}]})
    assert (answer.status_code, answer.json()) == (201, {"aliases_processed": 1, "message": "success"})
    assert aliases(user("user-1")) == {"shop: a"}


def test_refusals_with_the_other_client(api_client: Client) -> None:
    answer = api_client.users.track.create_item({"attributes": [{}]})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
