"""Who may do what. One table, read by the admin, by the templates and by the tests that walk through it."""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    ADMIN = "admin", _("Admin")
    MARKETER = "marketer", _("Marketer")


class Action(models.TextChoices):
    """What a person can do in a workspace."""

    VIEW_SEGMENTS = "view_segments", _("See segments")
    EDIT_SEGMENTS = "edit_segments", _("Create and edit segments")
    VIEW_CAMPAIGNS = "view_campaigns", _("See campaigns and Canvases")
    EDIT_CAMPAIGNS = "edit_campaigns", _("Create and edit campaigns and Canvases")
    VIEW_USERS = "view_users", _("Search and see users")
    IMPORT_USERS = "import_users", _("Import users from files")
    EDIT_USERS = "edit_users", _("Change users' subscriptions, mark test users")
    MANAGE_SUBSCRIPTION_GROUPS = "manage_subscription_groups", _("Create, rename and archive subscription groups")
    EXPORT_USERS = "export_users", _("Export the users of segments to files")
    DELETE_USERS = "delete_users", _("Delete users")
    MANAGE_EVENTS = (
        "manage_events",
        _("Keep properties of custom events, force types of custom attributes"),
    )
    VIEW_COHORTS = "view_cohorts", _("See partners, cohorts and sync runs")
    MANAGE_PARTNERS = "manage_partners", _("Connect partners, make and invalidate data import keys")
    VIEW_CURRENTS = "view_currents", _("See Currents and their deliveries")
    MANAGE_CURRENTS = "manage_currents", _("Create, launch and edit Currents")
    MANAGE_API_KEYS = "manage_api_keys", _("Make and invalidate REST API keys")
    VIEW_DATA_POINTS = "view_data_points", _("See data points")
    MANAGE_WORKSPACE = "manage_workspace", _("Change the workspace, its apps and its team")
    MANAGE_SCHEDULES = "manage_schedules", _("Change schedules")
    VIEW_ACTIVITY = "view_activity", _("See the activity log")


#: What is done to the whole installation, whatever the workspace: no role of a workspace has it, superusers have.
SUPERUSERS_ONLY: Final = frozenset({Action.MANAGE_SCHEDULES})

PERMISSIONS: Final[dict[Role, frozenset[Action]]] = {
    Role.ADMIN: frozenset(Action) - SUPERUSERS_ONLY,
    Role.MARKETER: frozenset(
        {
            Action.VIEW_SEGMENTS,
            Action.EDIT_SEGMENTS,
            Action.VIEW_CAMPAIGNS,
            Action.EDIT_CAMPAIGNS,
            Action.VIEW_USERS,
            Action.IMPORT_USERS,
            Action.EDIT_USERS,
            Action.MANAGE_SUBSCRIPTION_GROUPS,
            Action.EXPORT_USERS,
            Action.VIEW_COHORTS,
            Action.VIEW_CURRENTS,
            Action.VIEW_DATA_POINTS,
        }
    ),
}


def role_may(role: str | None, action: Action) -> bool:
    """Whether a member with ``role`` may do ``action``; a person without a role may do nothing."""
    return role is not None and action in PERMISSIONS[Role(role)]
