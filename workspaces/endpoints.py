"""The permissions that a REST API key can have, one per endpoint, under Braze's names (Braze: API key permissions)."""

from collections.abc import Iterator
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ENDPOINTS: Final[dict[str, str]] = {
    "users.track": "POST /users/track",
    "users.track.bulk": "POST /users/track/bulk",
    "users.alias.new": "POST /users/alias/new",
    "users.alias.update": "POST /users/alias/update",
    "users.identify": "POST /users/identify",
    "users.merge": "POST /users/merge",
    "users.delete": "POST /users/delete",
    "users.external_ids.rename": "POST /users/external_ids/rename",
    "users.external_ids.remove": "POST /users/external_ids/remove",
    "users.export.ids": "POST /users/export/ids",
    "users.export.segment": "POST /users/export/segment",
    "subscription.status.get": "GET /subscription/status/get",
    "subscription.status.set": "POST /subscription/status/set",
    "subscription.groups.get": "GET /subscription/user/status",
    "custom_attributes.get": "GET /custom_attributes",
    "events.list": "GET /events/list",
    "events.get": "GET /events",
    "currents.events": "POST /currents/events",
    "currents.list": "GET /currents/list",
    "currents.details": "GET /currents/details",
    "currents.status": "GET /currents/status",
    "currents.metrics": "GET /metrics",
    "segments.list": "GET /segments/list",
    "segments.details": "GET /segments/details",
    "segments.data_series": "GET /segments/data_series",
    "segments.preview": "POST /segments/preview",
    "campaigns.list": "GET /campaigns/list",
    "campaigns.details": "GET /campaigns/details",
    "canvas.list": "GET /canvas/list",
    "canvas.details": "GET /canvas/details",
}

#: The headings under which the permissions are chosen, by the part of their names before the dot.
GROUPS: Final[dict[str, str | Promise]] = {
    "users": _("User data"),
    "subscription": _("Subscription groups"),
    "custom_attributes": _("Custom attributes"),
    "events": _("Custom events"),
    "currents": _("Currents"),
    "segments": _("Segments"),
    "campaigns": _("Campaigns"),
    "canvas": _("Canvas"),
}


def grouped() -> Iterator[tuple[str, str | Promise, list[tuple[str, str]]]]:
    """(group, heading, [(permission, endpoint)]) in the order of GROUPS, then of what has no heading."""
    names = list(dict.fromkeys([*GROUPS, *(name.split(".")[0] for name in ENDPOINTS)]))
    for group in names:
        members = [(name, address) for name, address in ENDPOINTS.items() if name.split(".")[0] == group]
        if members:
            yield group, GROUPS.get(group, group.capitalize()), members
