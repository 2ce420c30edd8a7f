from collections.abc import Callable

import pytest
from django.test import Client

from tests.logins import logged_in
from workspaces.models import Membership, User, Workspace
from workspaces.roles import Role


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(name="Example")


@pytest.fixture
def login(workspace: Workspace) -> Callable[..., Client]:
    """Logs in a new person with ``role`` in ``workspace`` (or another); no role: in no workspace."""

    def log_in(role: Role | None = Role.ADMIN, where: Workspace | None = None, **fields: object) -> Client:
        user = User.objects.create_user(f"user-{User.objects.count() + 1}", password="secret-word", **fields)
        if role:
            Membership.objects.create(user=user, workspace=where or workspace, role=role)
        return logged_in(user)

    return log_in
