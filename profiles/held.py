"""All that is held of one user, for the user to have: the export in Braze's form, and what it has no words for."""

from datetime import UTC, datetime
from typing import Any, Final

import orjson

from currents.newest import newest_of_user
from profiles.dates import iso
from profiles.exporting import export_users
from profiles.message_stores import MessageSource
from profiles.models import Profile

#: So many events of the log go into the file for a user: the newest.
EVENTS_HELD: Final = 10_000


def everything_held(profile: Profile) -> dict[str, Any]:
    """Everything as JSON values; what is empty is left out."""
    names = [*profile.deprecated_ids.order_by("external_id").values_list("external_id", flat=True)]
    more: dict[str, Any] = {
        "updated_at": iso(profile.updated_at),
        "date_of_first_session": iso(profile.first_used_at),
        "date_of_last_session": iso(profile.last_used_at),
        "is_test_user": profile.is_test_user,
        "deprecated_external_ids": names,
        "other_fields": profile.other_fields,
        "subscription_groups": _choices(profile),
        "app_versions": _app_versions(profile),
        "custom_events_with_properties": _kept_events(profile),
        "purchases_with_properties": _kept_purchases(profile),
        "session_lengths": _session_lengths(profile),
        "uninstalls": _uninstalls(profile),
        "push_to_start": [*profile.push_to_start.order_by("pk").values_list("token", flat=True)],
        "imports": _imports(profile),
        "device_details": _devices(profile),
        "messages": _messages(profile),
        "last_engagement": _last_engagement(profile),
        "events": _events(profile, names),
    }
    return {
        **export_users([profile.pk])[0],
        **{name: value for name, value in more.items() if value not in (None, [], {})},
    }


def _choices(profile: Profile) -> list[dict[str, Any]]:
    return [
        {
            "id": str(one.group.api_id),
            "name": one.group.name,
            "channel": one.group.channel,
            "subscribed": one.is_subscribed,
            "changed_at": iso(one.changed_at),
        }
        for one in profile.subscription_states.select_related("group").order_by("group__name")
    ]


def _app_versions(profile: Profile) -> list[dict[str, Any]]:
    return [
        {
            "app": one.app.name,
            "first": one.first_version,
            "first_at": iso(one.first_version_at),
            "last": one.last_version,
            "last_at": iso(one.last_version_at),
        }
        for one in profile.app_uses.exclude(last_version="").select_related("app").order_by("app__name")
    ]


def _kept_events(profile: Profile) -> list[dict[str, Any]]:
    kept = profile.kept_events.select_related("event").order_by("time", "pk")
    return [{"event": one.event.name, "time": iso(one.time), "properties": one.properties} for one in kept]


def _kept_purchases(profile: Profile) -> list[dict[str, Any]]:
    return [
        {"product_id": one.product, "time": iso(one.time), "quantity": one.count, "properties": one.properties}
        for one in profile.kept_purchases.order_by("time", "pk")
    ]


def _session_lengths(profile: Profile) -> list[dict[str, Any]]:
    return [{"seconds": one.seconds, "sessions": one.count} for one in profile.session_lengths.order_by("seconds")]


def _uninstalls(profile: Profile) -> list[dict[str, Any]]:
    gone = profile.uninstalls.select_related("app").order_by("app__name")
    return [{"app": one.app.name, "uninstalled_at": iso(one.uninstalled_at)} for one in gone]


def _imports(profile: Profile) -> list[dict[str, Any]]:
    """The files whose rows made or changed the user."""
    found = profile.imports.select_related("user_import").order_by("user_import")
    return [{"file": one.user_import.file_name, "made_at": iso(one.user_import.made_at)} for one in found]


def _devices(profile: Profile) -> list[dict[str, Any]]:
    """With what the export has no words for."""
    names = ("device_id", "platform", "model", "os_version", "carrier", "browser", "ad_id", "ad_id_type", "ad_tracking")
    devices = profile.devices.order_by("pk").values(*names)
    return [{name: value for name, value in one.items() if value} for one in devices]


def _messages(profile: Profile) -> list[dict[str, Any]]:
    """What the user did with messages, by day."""
    days = list(profile.engagement.order_by("day", "action", "channel", "source"))
    sources = MessageSource.objects.in_bulk({one.source for one in days})
    return [
        {
            "day": one.day.isoformat(),
            "what": one.action,
            "channel": one.channel,
            "times": one.count,
            "last_at": iso(one.last_at),
            **({"source": source.kind, "id": source.source_id} if (source := sources.get(one.source)) else {}),
        }
        for one in days
    ]


def _last_engagement(profile: Profile) -> list[dict[str, Any]]:
    found = profile.last_engagement.order_by("action", "channel")
    return [{"what": one.action, "channel": one.channel, "last_at": iso(one.last_at)} for one in found]


def _events(profile: Profile, names: list[str]) -> list[dict[str, Any]]:
    known_as = [profile.external_id, *names] if profile.external_id else names
    return [
        {
            "id": one.event_id,
            "type": one.event_type,
            "time": iso(datetime.fromtimestamp(one.time, UTC)),
            **orjson.loads(one.payload or b"{}"),
        }
        for one in newest_of_user(profile.workspace_id, known_as, profile.braze_id, EVENTS_HELD)
    ]
