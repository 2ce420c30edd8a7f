"""The frame around every screen: left bar, workspace picker, style sheet. The settings UNFOLD name these functions."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from workspaces.admin_base import may
from workspaces.roles import Action

Entry = tuple[str | Promise, str, Action | None]

#: The left bar: groups of (title, name of the admin url, action that it needs). It shows only what exists.
NAVIGATION: tuple[tuple[str | Promise | None, tuple[Entry, ...]], ...] = (
    (None, ((_("Home"), "admin:index", None),)),
    (
        _("Engagement"),
        (
            (_("Segments"), "admin:segments_segment_changelist", Action.VIEW_SEGMENTS),
            (_("Campaigns"), "admin:messaging_campaign_changelist", Action.VIEW_CAMPAIGNS),
            (_("Canvas"), "admin:messaging_canvas_changelist", Action.VIEW_CAMPAIGNS),
        ),
    ),
    (
        _("Audience"),
        (
            (_("Search Users"), "admin:profiles_profile_changelist", Action.VIEW_USERS),
            (_("Import Users"), "admin:profiles_userimport_changelist", Action.IMPORT_USERS),
            (_("Subscription Groups"), "admin:profiles_subscriptiongroup_changelist", Action.VIEW_USERS),
        ),
    ),
    (
        _("Analytics"),
        (
            (_("Custom Events"), "admin:profiles_customevent_changelist", Action.VIEW_USERS),
            (_("Data Points"), "admin:workspaces_datapoints_changelist", Action.VIEW_DATA_POINTS),
        ),
    ),
    (
        _("Partner Integrations"),
        (
            (_("Technology Partners"), "admin:partners_integration_changelist", Action.VIEW_COHORTS),
            (_("Currents"), "admin:currents_current_changelist", Action.VIEW_CURRENTS),
        ),
    ),
    (
        _("Settings"),
        (
            (_("API Keys"), "admin:workspaces_apikey_changelist", Action.MANAGE_API_KEYS),
            (_("Workspaces"), "admin:workspaces_workspace_changelist", Action.MANAGE_WORKSPACE),
            (_("Team"), "admin:workspaces_membership_changelist", Action.MANAGE_WORKSPACE),
            (_("Activity Log"), "admin:workspaces_activity_changelist", Action.VIEW_ACTIVITY),
            (_("Schedules"), "admin:django_celery_beat_periodictask_changelist", Action.MANAGE_SCHEDULES),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The left bar for Unfold: an entry is there when the person's role allows its screen."""
    return [
        {
            "title": title,
            "separator": title is not None,
            "items": [_item(entry) for entry in entries],
        }
        for title, entries in NAVIGATION
    ]


def _item(entry: Entry) -> dict[str, Any]:
    title, url_name, action = entry
    link = reverse(url_name)
    return {
        "title": title,
        "link": link,
        "permission": _permission(action),
        "active": _is_here(link, url_name),
    }


def _permission(action: Action | None) -> Callable[[HttpRequest], bool]:
    return lambda request: action is None or may(request, action)


def _is_here(link: str, url_name: str) -> Callable[[HttpRequest], bool]:
    if url_name == "admin:index":
        return lambda request: request.path == link
    return lambda request: request.path.startswith(link)


def stylesheet(request: HttpRequest) -> str:
    return static("brazeclone/dashboard.css")


def script(request: HttpRequest) -> str:
    return static("brazeclone/dashboard.js")


def favicon(request: HttpRequest) -> str:
    return static("brazeclone/favicon.svg")
