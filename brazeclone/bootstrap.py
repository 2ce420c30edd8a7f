"""The first workspace with everything that it takes to connect: an admin, a REST API key, partners with their keys.

Keys and passwords are shown once: what exists already is not shown again, unless it is made anew (``rotate``).
"""

import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from brazeclone.schedules import ensure_schedules
from partners.models import DataImportKey, Integration
from partners.registry import partners
from workspaces.endpoints import ENDPOINTS
from workspaces.keys import NewKey
from workspaces.models import ApiKey, BootstrapKey, KeyModel, Membership, User, Workspace
from workspaces.roles import Role

USERNAME: Final = "admin"
WORKSPACE: Final = "Example"
KEY_NAME: Final = "Bootstrap"
#: Two of them at once would make everything twice.
_LOCK: Final = 0x6272617A65


@dataclass(frozen=True)
class Shown:
    """What bootstrap has to tell; None for a secret that existed before and was left as it is."""

    rest_endpoint: str
    workspace_id: str
    username: str
    password: str | None = field(repr=False)
    rest_api_key: str | None = field(repr=False)
    partners: dict[str, dict[str, str | None]] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The object that ``bootstrap --json`` prints."""
        return {
            "rest_endpoint": self.rest_endpoint,
            "workspace_id": self.workspace_id,
            "admin": {"username": self.username, "password": self.password},
            "rest_api_key": self.rest_api_key,
            "partners": self.partners,
        }


@transaction.atomic
def bootstrap(*, password: str = "", rotate: bool = False) -> Shown:
    """Make what is missing, in one transaction, and return it with its secrets.

    ``password`` is the admin's; empty: one is drawn. ``rotate`` makes a new password and new keys also where they
    exist, and invalidates those that an earlier bootstrap made; keys that people made stay valid.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    workspace = Workspace.objects.order_by("pk").first() or Workspace.objects.create(name=WORKSPACE)
    admin, shown_password = _admin(workspace, password, rotate)
    ensure_schedules()
    return Shown(
        rest_endpoint=settings.PUBLIC_URL,
        workspace_id=str(workspace.api_id),
        username=admin.username,
        password=shown_password,
        rest_api_key=_api_key(workspace, admin, rotate),
        partners={one.slug: _partner_keys(workspace, one.slug, admin, rotate) for one in partners()},
    )


def _admin(workspace: Workspace, password: str, rotate: bool) -> tuple[User, str | None]:
    admin = User.objects.filter(username=USERNAME).first()
    is_new = admin is None
    if admin is None:
        admin = User(username=USERNAME, is_staff=True, is_superuser=True)
    if not is_new and not rotate:
        return admin, None
    password = password or secrets.token_urlsafe(15)
    admin.set_password(password)
    admin.save()
    Membership.objects.update_or_create(user=admin, workspace=workspace, defaults={"role": Role.ADMIN})
    return admin, password


def _api_key(workspace: Workspace, admin: User, rotate: bool) -> str | None:
    mine = ApiKey.objects.filter(workspace=workspace, digest__in=BootstrapKey.digests(), invalidated_at=None)
    if rotate:
        mine.update(invalidated_at=timezone.now())
    elif mine.exists():
        # A newer release has more endpoints, and this key is to have all permissions.
        mine.update(permissions=list(ENDPOINTS))
        return None
    return _remember(*ApiKey.make(workspace=workspace, name=KEY_NAME, permissions=list(ENDPOINTS), made_by=admin))


def _partner_keys(workspace: Workspace, slug: str, admin: User, rotate: bool) -> dict[str, str | None]:
    integration, _ = Integration.objects.get_or_create(workspace=workspace, partner_slug=slug)
    return {
        "partner_api_key": _partner_key(integration, rotate),
        "client_secret": _import_key(integration, admin, rotate),
    }


def _partner_key(integration: Integration, rotate: bool) -> str | None:
    """An integration has one partner API key: a new one replaces it."""
    if integration.partner_key_digest and not rotate:
        return None
    return _remember(None, integration.make_partner_key())


def _import_key(integration: Integration, admin: User, rotate: bool) -> str | None:
    mine = integration.import_keys.filter(digest__in=BootstrapKey.digests(), invalidated_at=None)
    if rotate:
        mine.update(invalidated_at=timezone.now())
    elif mine.exists():
        return None
    return _remember(*DataImportKey.make(integration=integration, made_by=admin))


def _remember(row: KeyModel | None, key: NewKey) -> str:
    """Note that ``key`` is one of ours, so that a later rotation invalidates it and no other."""
    BootstrapKey.objects.create(digest=key.digest)
    return key.secret
