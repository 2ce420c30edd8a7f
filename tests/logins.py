"""People who use the dashboard: in Django's test client and in a browser."""

from django.test import Client
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from workspaces.models import Membership, User, Workspace
from workspaces.roles import Role


def logged_in(person: User) -> Client:
    """A client of ``person``."""
    client = Client()
    client.force_login(person)
    return client


def person_of(workspace: Workspace, role: Role) -> User:
    """A new person who has ``role`` in ``workspace``, and is called like it."""
    person = User.objects.create_user(role.value)
    Membership.objects.create(user=person, workspace=workspace, role=role)
    return person


def client_of(workspace: Workspace, role: Role) -> Client:
    """A client of a new person who has ``role`` in ``workspace``."""
    return logged_in(person_of(workspace, role))


def log_in(page: Page, server: LiveServer, person: User) -> None:
    """Log ``person`` in, in the browser of ``page``."""
    cookie = logged_in(person).cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": server.url}])
