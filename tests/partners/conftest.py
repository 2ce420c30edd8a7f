"""A workspace with two partners, its users, and clients that call us as the partners do."""

import base64
import gzip
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client

from partners.models import Cohort, DataImportKey, Integration
from partners.reading import cohort_members
from profiles.live import live_users, log_identity
from profiles.models import Alias, Device, IdentityChange, Profile
from tests.sandbox.conftest import sandbox, shared_sandbox  # noqa: F401 - fixtures
from workspaces.models import Workspace


@dataclass
class Partner:
    """One partner's integration, and a client that has its keys."""

    integration: Integration
    key: DataImportKey
    partner_api_key: str
    client_secret: str

    def post(self, path: str, *, zipped: bool = False, **body: Any) -> Any:
        """POST to the partner cohort API; a value of ``...`` leaves the field out."""
        keys = {"partner_api_key": self.partner_api_key, "client_secret": self.client_secret}
        content = orjson.dumps({k: v for k, v in {**keys, **body}.items() if v is not ...})
        headers = {"Content-Encoding": "gzip"} if zipped else {}
        return Client().post(
            f"/partners/{self.integration.partner_slug}/{path}",
            gzip.compress(content) if zipped else content,
            content_type="application/json",
            headers=headers,
        )

    def name(
        self, cohort_id: Any = "c1", name: Any = "Cohort 1", created_at: Any = "2026-01-21T19:20:30+05:00", **more: Any
    ) -> Any:
        return self.post("cohorts", cohort_id=cohort_id, name=name, created_at=created_at, **more)

    def change(self, *cohort_changes: Any, cohort_id: Any = "c1", **more: Any) -> Any:
        return self.post("cohorts/users", **{"cohort_id": cohort_id, "cohort_changes": list(cohort_changes), **more})

    def add(self, *user_ids: str, cohort_id: str = "c1") -> None:
        answer = self.change({"user_ids": list(user_ids)}, cohort_id=cohort_id)
        assert answer.status_code == 201, answer.content

    def remove(self, *user_ids: str, cohort_id: str = "c1") -> None:
        answer = self.change({"user_ids": list(user_ids), "should_remove": True}, cohort_id=cohort_id)
        assert answer.status_code == 201, answer.content

    def cohort(self, cohort_id: str = "c1") -> Cohort:
        return Cohort.objects.get(integration=self.integration, cohort_id=cohort_id)

    def members(self, cohort_id: str = "c1") -> set[str]:
        """External ids (or braze ids) of the live members, as a reader sees them."""
        workspace_id = self.integration.workspace_id
        cohort = self.cohort(cohort_id)
        ids = cohort_members(workspace_id, [cohort.pk])[cohort.pk] & live_users(workspace_id)
        return {profile.external_id or profile.braze_id for profile in Profile.objects.filter(pk__in=list(ids))}

    def webhook(
        self,
        action: Any,
        members: Iterable[Any],
        /,
        *,
        page: int = 1,
        pages: int = 1,
        session: str = "s1",
        cohort_id: Any = "7",
        auth: str | None = "",
        **parameters: Any,
    ) -> Any:
        """POST to the custom webhook as Mixpanel does. ``auth``: another password, or None for no header."""
        body = {
            "action": action,
            "parameters": {
                "mixpanel_project_id": "1",
                "mixpanel_cohort_id": cohort_id,
                "mixpanel_cohort_name": "Webhook cohort",
                "mixpanel_cohort_description": "From Mixpanel",
                "mixpanel_session_id": session,
                "page_info": {"total_pages": pages, "page_count": page},
                "members": [{"mixpanel_distinct_id": one} if isinstance(one, str) else one for one in members],
                **parameters,
            },
        }
        return self.post_webhook(body, auth)

    def post_webhook(self, body: Any, auth: str | None = "", integration: Any = None) -> Any:
        credentials = base64.b64encode(f"anyone:{auth or self.client_secret}".encode()).decode()
        return Client().post(
            f"/partners/mixpanel/webhook/{integration or self.integration.api_id}",
            orjson.dumps(body),
            content_type="application/json",
            headers={} if auth is None else {"Authorization": f"Basic {credentials}"},
        )


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(name="Example")


def connect(workspace: Workspace, slug: str) -> Partner:
    """The integration of ``slug`` with both keys made."""
    integration = Integration.objects.create(workspace=workspace, partner_slug=slug)
    row, key = DataImportKey.make(integration=integration)
    return Partner(integration, row, integration.make_partner_key().secret, key.secret)


@pytest.fixture
def mixpanel(workspace: Workspace) -> Partner:
    return connect(workspace, "mixpanel")


@pytest.fixture
def segment(workspace: Workspace) -> Partner:
    return connect(workspace, "segment")


MakeUsers = Callable[..., list[Profile]]


def make_users(workspace: Workspace, *external_ids: str | None, **fields: Any) -> list[Profile]:
    made = Profile.objects.bulk_create(
        [Profile(workspace=workspace, external_id=one, **fields) for one in external_ids]
    )
    log_identity(workspace.pk, IdentityChange.Kind.CREATED, [profile.pk for profile in made])
    return made


@pytest.fixture
def users(workspace: Workspace) -> MakeUsers:
    """Makes users with the given external ids (None: anonymous)."""
    return lambda *ids, **fields: make_users(workspace, *ids, **fields)


def add_alias(profile: Profile, label: str, name: str) -> None:
    Alias.objects.create(workspace=profile.workspace, profile=profile, label=label, name=name)


def add_device(profile: Profile, device_id: str) -> None:
    Device.objects.create(workspace=profile.workspace, profile=profile, device_id=device_id)


def at_once(*works: Callable[[], None]) -> None:
    """Run each of ``works`` in a thread with a connection of its own; raises what one of them raised."""
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "it waits for something"
    if errors:
        raise errors[0]
