"""The description of the REST API: it is complete, and every answer is as it says, whatever is sent."""

import base64
import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache as django_cache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pytest_django import Settings
from rest_framework.views import APIView
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from brazeclone.openapi import DocsView, SchemaView
from brazeclone.wsgi import application
from messaging.messages import CHANNELS, Message, new_id
from messaging.models import Campaign, Canvas
from partners.models import DataImportKey, Integration
from profiles.models import SubscriptionGroup
from profiles.objects import attributes_object, event_object
from profiles.tracking import Batch, track
from segments.models import Segment
from tests.profiles.worlds import event, of_alias
from workspaces.endpoints import ENDPOINTS
from workspaces.models import ApiKey, Workspace

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 100
SOAK_EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "2000"))


@cache
def description() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def operations() -> list[tuple[str, str]]:
    return sorted((path, method) for path, methods in description()["paths"].items() for method in methods)


def rest_views(patterns: Any = None) -> set[type[APIView]]:
    """Every REST view that has an address."""
    found: set[type[APIView]] = set()
    for one in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(one, URLResolver):
            found |= rest_views(one.url_patterns)
        elif isinstance(one, URLPattern) and issubclass(getattr(one.callback, "cls", object), APIView):
            found.add(one.callback.cls)  # type: ignore[attr-defined]
    return found


# --- The description ---


def test_it_works(db: None) -> None:
    answer = Client().get("/api/schema/")
    assert answer.status_code == 200
    found = answer.json()
    assert found["openapi"] == "3.1.0"
    assert set(found["paths"]) == {path for path, _ in operations()}
    track = found["paths"]["/users/track"]["post"]
    assert {"201", "400", "401", "413", "415", "429"} <= set(track["responses"])
    assert "X-RateLimit-Remaining" in track["responses"]["201"]["headers"]
    plain = Client().get("/api/schema/", headers={"Accept": "application/json"})
    assert (plain.status_code, plain.headers["Content-Type"]) == (200, "application/json")
    assert plain.json() == found
    assert Client().get("/api/schema/?format=yaml").headers["Content-Type"].startswith("application/vnd.oai.openapi")


def test_it_is_complete() -> None:
    assert len(operations()) == len(rest_views() - {SchemaView, DocsView})
    addresses = {f"{method.upper()} {path}" for path, method in operations()}
    assert set(ENDPOINTS.values()) <= addresses, "every permission is for an endpoint that is described"
    for path, method in operations():
        operation = description()["paths"][path][method]
        assert operation["description"], (path, method)
        assert any(status.startswith("2") for status in operation["responses"]), (path, method)


def test_the_page_loads_nothing_from_elsewhere(db: None) -> None:
    page = Client().get("/api/docs/").content.decode()
    assert "/static/drf_spectacular_sidecar/" in page
    assert "http://" not in page.replace("http://testserver", "")
    assert "https://" not in page


# --- Every answer is as described ---


class World:
    """A workspace with a few users, groups and keys, and requests that are aimed at them."""

    def __init__(self) -> None:
        self.workspace = Workspace.objects.create(name="Example")
        self.key = ApiKey.make(workspace=self.workspace, name="All", permissions=list(ENDPOINTS))[1].secret
        self.integration = Integration.objects.create(workspace=self.workspace, partner_slug="mixpanel")
        self.import_key = DataImportKey.make(integration=self.integration)[1].secret
        messages = [Message(new_id(), key, key, {part.key: "x" for part in CHANNELS[key].parts}) for key in CHANNELS]
        said = [one.to_json() for one in messages]
        self.campaign = Campaign.objects.create(workspace=self.workspace, name="Spring", messages=said)
        self.canvas = Canvas.objects.create(workspace=self.workspace, name="Welcome", messages=said)
        self.segment = Segment.objects.create(workspace=self.workspace, name="Everybody")
        self.group = SubscriptionGroup.objects.create(workspace=self.workspace, name="News")
        subjects = [{"external_id": f"user-{one}", "email": "a@example.com"} for one in range(2)]
        attributes = [*subjects, of_alias("user-0"), {"phone": "+15043277269"}]
        events = [event(external_id="user-0")]
        track(self.workspace.pk, Batch([*map(attributes_object, attributes)], [*map(event_object, events)]))

    def headers(self, operation: dict[str, Any]) -> dict[str, str]:
        if {"dataImportKey": []} in operation.get("security", []):
            return {"Authorization": "Basic " + base64.b64encode(f"x:{self.import_key}".encode()).decode()}
        return {"Authorization": f"Bearer {self.key}"}

    def aimed(self, value: Any, name: str = "") -> Any:
        """``value`` with names of users, groups and keys that exist in the place of made-up ones."""
        if isinstance(value, dict):
            return {key: self.aimed(child, key) for key, child in value.items()}
        if isinstance(value, list):
            return [self.aimed(child, name) for child in value]
        if not isinstance(value, str):
            return value
        known: dict[str, Callable[[], str]] = {
            "partner_slug": lambda: "mixpanel",
            "integration_id": lambda: str(self.integration.api_id),
            "client_secret": lambda: self.import_key,
            "partner_api_key": lambda: "partner",
            "subscription_group_id": lambda: str(self.group.api_id),
            "campaign_id": lambda: str(self.campaign.api_id),
            "canvas_id": lambda: str(self.canvas.api_id),
            "segment_id": lambda: str(self.segment.api_id),
            "alias_label": lambda: "shop",
            "email": lambda: "a@example.com",
            "time": lambda: "2024-01-01",
            "created_at": lambda: "2024-01-01",
            "currency": lambda: "USD",
        }
        if name in known:
            return known[name]() if len(value) % 4 else value
        if name.endswith(("external_id", "external_ids", "alias_name", "user_ids")):
            return f"user-{len(value) % 5}" if len(value) % 4 else value
        return value


@pytest.fixture
def world(db: None, settings: Settings) -> Iterator[World]:
    settings.REST_RATE_LIMITS = {"": (10_000_000, 3600)}
    # Made-up headers make up hosts too, and those never get as far as an endpoint.
    settings.ALLOWED_HOSTS = ["*"]
    django_cache.clear()
    # All requests are in this test's transaction: its connection is not theirs to close.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield World()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def check(world: World, path: str, method: str, examples: int) -> None:
    """Send ``examples`` requests to the operation, good ones and bad ones, and check each answer."""
    schema = schemathesis.openapi.from_dict(description())
    schema.app = application
    operation = schema[path][method.upper()]
    headers = world.headers(description()["paths"][path][method])
    modes = [operation.as_strategy(GenerationMode.POSITIVE), operation.as_strategy(GenerationMode.NEGATIVE)]

    @seed(1)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(modes))
    def send(case: Any) -> None:
        case.body = world.aimed(case.body) if isinstance(case.body, dict) else case.body
        case.query = world.aimed(dict(case.query or {}))
        case.path_parameters = world.aimed(dict(case.path_parameters or {}))
        case.call_and_validate(headers=headers, checks=CHECKS)

    send()


@pytest.mark.parametrize(("path", "method"), operations())
def test_answers_are_as_described(world: World, path: str, method: str) -> None:
    check(world, path, method, EXAMPLES)


@pytest.mark.soak
@pytest.mark.parametrize(("path", "method"), operations())
def test_answers_are_as_described_at_length(world: World, path: str, method: str) -> None:
    check(world, path, method, SOAK_EXAMPLES)
