"""The login and the keys that the demo prints: kept in its own file, and valid whenever they are printed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.urls import reverse

from brazeclone.launcher import environment
from partners.models import DataImportKey, Integration
from workspaces.endpoints import ENDPOINTS
from workspaces.keys import digest_of
from workspaces.models import ApiKey, User, Workspace

KEY_NAME = "Demo"


@dataclass(frozen=True)
class DemoKeys:
    """What a person or a program needs to use the demo.

    ``password`` and ``partner_api_key`` are None once somebody has changed them: what a person made stays.
    """

    workspace: Workspace
    username: str
    password: str | None = field(repr=False)
    rest_api_key: str = field(repr=False)
    client_secret: str = field(repr=False)
    partner_api_key: str | None = field(repr=False)
    webhook: str


def keep_shown(root: Path, shown: dict[str, Any]) -> None:
    """Remember what bootstrap has shown; what it did not show again stays as it is."""
    kept = environment.kept_values(root).get("bootstrap", {})
    environment.keep(root, {"bootstrap": _merged(kept, shown)})


def valid_keys(root: Path) -> DemoKeys:
    """The demo's keys. Of REST and import keys, one that was invalidated is replaced by a new one, which is kept."""
    kept = environment.kept_values(root)["bootstrap"]
    workspace = Workspace.objects.get(api_id=kept["workspace_id"])
    integration = Integration.objects.get(workspace=workspace, partner_slug="mixpanel")
    mixpanel = kept["partners"]["mixpanel"]
    rest_api_key = kept.get("rest_api_key")
    if not rest_api_key or ApiKey.find(rest_api_key) is None:
        rest_api_key = ApiKey.make(workspace=workspace, name=KEY_NAME, permissions=list(ENDPOINTS))[1].secret
    client_secret = mixpanel.get("client_secret")
    if not client_secret or DataImportKey.find(client_secret) is None:
        client_secret = DataImportKey.make(integration=integration)[1].secret
    partner_api_key = mixpanel.get("partner_api_key")
    known = integration.partner_key_digest  # None: the next key that arrives is adopted
    if partner_api_key and known is not None and bytes(known) != digest_of(partner_api_key):
        partner_api_key = None
    valid = {"client_secret": client_secret, "partner_api_key": partner_api_key}
    keep_shown(root, {"rest_api_key": rest_api_key, "partners": {"mixpanel": valid}})
    username, password = _login(kept.get("admin") or {})
    webhook = reverse("mixpanel_webhook", args=[integration.api_id])
    return DemoKeys(workspace, username, password, rest_api_key, client_secret, partner_api_key, webhook)


def _login(admin: dict[str, str | None]) -> tuple[str, str | None]:
    username, password = admin.get("username") or "admin", admin.get("password")
    user = User.objects.filter(username=username).first()
    is_valid = password is not None and user is not None and user.check_password(password)
    return username, password if is_valid else None


def _merged(kept: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """``shown`` completed from ``kept``: a key is shown when it is made, and is null from then on."""
    result = dict(kept)
    for name, value in shown.items():
        if isinstance(value, dict):
            result[name] = _merged(kept.get(name) or {}, value)
        elif value is not None:
            result[name] = value
    return result
