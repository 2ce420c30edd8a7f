from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.test import Client

from profiles.models import SubscriptionGroup
from workspaces.endpoints import ENDPOINTS
from workspaces.models import ApiKey, Workspace

Post = Callable[..., Any]


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(name="Example")


@pytest.fixture
def post(workspace: Workspace) -> Post:
    """Posts JSON with a key of the workspace that may do everything."""
    _, key = ApiKey.make(workspace=workspace, name="All", permissions=list(ENDPOINTS))

    def send(path: str, body: Any, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {key.secret}", **headers}
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return Client().post(path, content, content_type="application/json", headers=headers)

    return send


@pytest.fixture
def track(post: Post) -> Post:
    """Posts the given arrays to /users/track and returns the answer."""

    def send(**arrays: Any) -> Any:
        return post("/users/track", arrays)

    return send


@pytest.fixture
def get(workspace: Workspace) -> Post:
    """Gets an address with a key of the workspace that may do everything; the query by keyword."""
    _, key = ApiKey.make(workspace=workspace, name="Reader", permissions=list(ENDPOINTS))

    def fetch(path: str, query: Any = None) -> Any:
        return Client().get(path, query or {}, headers={"Authorization": f"Bearer {key.secret}"})

    return fetch


@pytest.fixture
def news(workspace: Workspace) -> SubscriptionGroup:
    """A subscription group for email."""
    return SubscriptionGroup.objects.create(workspace=workspace, name="News")


@pytest.fixture
def texts(workspace: Workspace) -> SubscriptionGroup:
    """A subscription group for SMS."""
    return SubscriptionGroup.objects.create(workspace=workspace, name="Texts", channel="sms")
