"""API keys that are accepted from certain addresses only."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from workspaces.addresses import BadRangeError, is_allowed, parse_ranges
from workspaces.models import ApiKey, Workspace

ADD = "/admin/workspaces/apikey/add/"


@pytest.fixture
def ask(workspace: Workspace) -> Callable[..., Any]:
    """Asks with a key that is accepted from 203.0.113.0/24, from the given address."""
    _row, key = ApiKey.make(
        workspace=workspace, name="Shop", permissions=["users.track"], allowed_ranges=["203.0.113.0/24"]
    )

    def send(address: str, **headers: str) -> Any:
        headers["Authorization"] = f"Bearer {key.secret}"
        return Client(REMOTE_ADDR=address).post("/users/track", b"{}", "application/json", headers=headers)

    return send


def test_it_works(ask: Callable[..., Any]) -> None:
    assert ask("203.0.113.7").status_code == 400
    refused = ask("198.51.100.7")
    assert refused.status_code == 401
    assert refused.json() == {
        "message": "Unauthorized access: this API key is not accepted from the IP address 198.51.100.7"
    }


def test_a_refused_request_is_no_use_of_the_key(ask: Callable[..., Any]) -> None:
    ask("198.51.100.7")
    assert ApiKey.objects.get().last_used_at is None
    ask("203.0.113.7")
    assert ApiKey.objects.get().last_used_at is not None


def test_without_a_proxy_the_header_says_nothing(ask: Callable[..., Any]) -> None:
    assert ask("198.51.100.7", **{"X-Forwarded-For": "203.0.113.7"}).status_code == 401


def test_behind_a_proxy_the_last_address_counts(ask: Callable[..., Any], settings: Any) -> None:
    settings.BEHIND_PROXY = True
    assert ask("10.0.0.1", **{"X-Forwarded-For": "198.51.100.7, 203.0.113.7"}).status_code == 400
    assert ask("10.0.0.1", **{"X-Forwarded-For": "203.0.113.7, 198.51.100.7"}).status_code == 401
    assert ask("10.0.0.1", **{"X-Forwarded-For": "nonsense"}).status_code == 401


def test_a_key_is_made_with_ranges(login: Callable[..., Client]) -> None:
    client = login()
    form = {"name": "Shop", "permissions": ["users.track"], "allowed_ranges": "203.0.113.7\n2001:db8::/32"}
    assert client.post(ADD, form).status_code == 200
    assert ApiKey.objects.get().allowed_ranges == ["203.0.113.7/32", "2001:db8::/32"]
    assert "2001:db8::/32" in client.get("/admin/workspaces/apikey/").content.decode()


def test_what_is_no_range_is_refused(login: Callable[..., Client]) -> None:
    form = {"name": "Shop", "permissions": ["users.track"], "allowed_ranges": "203.0.113.0/24 the office"}
    page = login().post(ADD, form).content.decode()
    assert "“the” is not an IP address or range" in page
    assert not ApiKey.objects.exists()


def test_ranges_are_read() -> None:
    assert parse_ranges("10.0.0.1/8, 10.0.0.0/8\n\n::1") == ["10.0.0.0/8", "::1/128"]
    with pytest.raises(BadRangeError):
        parse_ranges("10.0.0.0/33")


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.9.8.7", True), ("11.0.0.1", False), ("::ffff:10.0.0.1", True), ("::1", False), ("", False)],
)
def test_addresses_are_compared_whatever_their_form(address: str, expected: bool) -> None:
    assert is_allowed(address, ["10.0.0.0/8"]) is expected
