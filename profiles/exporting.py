"""Everything that we hold of users, in the form of Braze's export. Braze: export user profile by identifier.

A fixed number of statements whatever the number of users, and none for fields that nobody asked for.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, Max, OuterRef

from profiles import attributions, counters
from profiles.dates import iso
from profiles.exporting_received import received
from profiles.models import Alias, AppUse, Device, Profile, PushToken
from profiles.stores import Uninstall
from workspaces.models import App

Found = dict[int, Any]


def export_users(
    profile_ids: Collection[int], fields: Collection[str] | None = None, *, habits_since: datetime | None = None
) -> list[dict[str, Any]]:
    """The users with these ids, oldest first, with those of ``fields`` that they have (None: all that there are).

    What is empty is left out (Braze: a missing field is null, false or empty). ``habits_since`` leaves out custom
    events, purchases and messages of before then; the counts of the others are those of all time.
    """
    wanted = [name for name in FIELDS if fields is None or name in fields]
    ids = list(profile_ids)
    profiles = list(Profile.objects.filter(pk__in=ids).order_by("pk"))
    lists: dict[str, Found] = {name: _LISTS[name](ids) for name in wanted if name in _LISTS}
    if not RECEIVED.isdisjoint(wanted):
        lists |= received(ids, habits_since)
    habits = counters.habits(ids) if set(wanted) & _HABITS.keys() else {}
    users = []
    for profile in profiles:
        user: dict[str, Any] = {}
        for name in wanted:
            if name in lists:
                user[name] = lists[name].get(profile.pk)
            elif name in _HABITS:
                user[name] = _HABITS[name](habits.get(profile.pk, ()))
                if habits_since is not None and isinstance(user[name], list):
                    user[name] = _recent(user[name], habits_since)
            else:
                user[name] = _VALUES[name](profile)
        users.append({name: value for name, value in user.items() if value not in (None, "", [], {})})
    return users


def _coordinates(profile: Profile) -> list[Any] | None:
    """[longitude, latitude]."""
    place = profile.other_fields.get("current_location")
    found = [place.get(name) for name in ("longitude", "latitude")] if isinstance(place, dict) else []
    return found if found and None not in found else None


def _attributed(member: str) -> Callable[[Profile], Any]:
    return lambda one: one.other_fields.get(attributions.FIELD, {}).get(member)


_VALUES: Final[dict[str, Callable[[Profile], Any]]] = {
    "external_id": lambda one: one.external_id,
    "braze_id": lambda one: one.braze_id,
    "created_at": lambda one: iso(one.created_at),
    "first_name": lambda one: one.first_name,
    "last_name": lambda one: one.last_name,
    "email": lambda one: one.email,
    "phone": lambda one: one.phone,
    "dob": lambda one: one.date_of_birth and one.date_of_birth.isoformat(),
    "home_city": lambda one: one.home_city,
    "country": lambda one: one.country,
    "language": lambda one: one.language,
    "time_zone": lambda one: one.time_zone,
    "gender": lambda one: one.gender,
    "random_bucket": lambda one: one.random_bucket,
    "last_coordinates": _coordinates,
    "push_subscribe": lambda one: one.push_subscribe,
    "push_opted_in_at": lambda one: iso(one.push_opted_in_at),
    "push_unsubscribed_at": lambda one: iso(one.push_unsubscribed_at),
    "email_subscribe": lambda one: one.email_subscribe,
    "email_opted_in_at": lambda one: iso(one.email_opted_in_at),
    "email_unsubscribed_at": lambda one: iso(one.email_unsubscribed_at),
    **{f"attributed_{member}": _attributed(member) for member in attributions.MEMBERS},
    "custom_attributes": lambda one: one.custom_attributes,
}


def _grouped(pairs: Iterable[tuple[int, dict[str, Any]]]) -> Found:
    found: Found = {}
    for profile_id, value in pairs:
        found.setdefault(profile_id, []).append({name: one for name, one in value.items() if one not in (None, "")})
    return found


def _aliases(ids: Sequence[int]) -> Found:
    rows = Alias.objects.filter(profile_id__in=ids).order_by("pk").values_list("profile_id", "name", "label")
    return _grouped((owner, {"alias_name": name, "alias_label": label}) for owner, name, label in rows)


def _apps(ids: Sequence[int]) -> Found:
    uses = AppUse.objects.filter(profile_id__in=ids).select_related("app").order_by("first_used_at", "app_id")
    return _grouped(
        (
            one.profile_id,
            {
                "name": one.app.name,
                "platform": one.app.get_platform_display(),
                "version": one.last_version,
                "sessions": one.sessions or None,
                "first_used": iso(one.first_used_at),
                "last_used": iso(one.last_used_at),
            },
        )
        for one in uses
    )


def _devices(ids: Sequence[int]) -> Found:
    rows = Device.objects.filter(profile_id__in=ids).order_by("pk")
    return _grouped(
        (
            one.profile_id,
            {
                "device_id": one.device_id,
                "model": one.model,
                "os": one.os_version,
                "carrier": one.carrier,
                "idfa": one.ad_id if one.ad_id_type == "ios_idfa" else None,
                "google_ad_id": one.ad_id if one.ad_id_type == "google_ad_id" else None,
                "roku_ad_id": one.ad_id if one.ad_id_type == "roku_ad_id" else None,
                "ad_tracking_enabled": {"true": True, "false": False}.get(one.ad_tracking),
            },
        )
        for one in rows
    )


def _tokens(ids: Sequence[int]) -> Found:
    rows = PushToken.objects.filter(profile_id__in=ids).select_related("app")
    return _grouped(
        (
            one.profile_id,
            {
                "app": one.app.name,
                "platform": one.app.get_platform_display(),
                "token": one.token,
                "device_id": one.device_id,
                "notifications_enabled": one.is_foreground,
                # Only iOS knows of it; Braze answers null elsewhere, which is left out.
                "provisionally_opted_in": one.is_provisional if one.app.platform == App.Platform.IOS else None,
            },
        )
        for one in rows.order_by("pk")
    )


def _uninstalled(ids: Sequence[int]) -> Found:
    """When the user uninstalled an app last, of those that are not in use again."""
    rows = Uninstall.objects.filter(profile_id__in=ids)
    used_since = AppUse.objects.filter(
        profile=OuterRef("profile"), app=OuterRef("app"), last_used_at__gte=OuterRef("uninstalled_at")
    )
    gone = rows.exclude(Exists(used_since)).order_by().values_list("profile_id")
    return {profile_id: iso(moment) for profile_id, moment in gone.annotate(last=Max("uninstalled_at"))}


#: Fields that are made of rows of their own, by profile.
_LISTS: Final[dict[str, Callable[[Sequence[int]], Found]]] = {
    "user_aliases": _aliases,
    "apps": _apps,
    "devices": _devices,
    "push_tokens": _tokens,
    "uninstalled_at": _uninstalled,
}


def _totals(habits: Iterable[counters.Habit], kind: str) -> list[dict[str, Any]]:
    """Name, first, last and count of everything of ``kind``; a product sold in two currencies is one product."""
    totals: dict[str, dict[str, Any]] = {}
    for one in habits:
        if one.kind != kind:
            continue
        before = totals.get(one.name, {"first": one.first_at, "last": one.last_at, "count": 0})
        totals[one.name] = {
            "name": one.name,
            "first": min(before["first"], one.first_at),
            "last": max(before["last"], one.last_at),
            "count": before["count"] + one.count,
        }
    return [{**one, "first": iso(one["first"]), "last": iso(one["last"])} for one in totals.values()]


def _recent(totals: list[dict[str, Any]], since: datetime) -> list[dict[str, Any]]:
    first = iso(since) or ""
    return [one for one in totals if one["last"] >= first]


def _revenue(habits: Iterable[counters.Habit]) -> float | None:
    money = [one.money for one in habits if one.kind == counters.Kind.PURCHASE]
    return float(sum(money)) if money else None


#: Fields made of what users did.
_HABITS: Final[dict[str, Callable[[Iterable[counters.Habit]], Any]]] = {
    "custom_events": lambda habits: _totals(habits, counters.Kind.EVENT),
    "purchases": lambda habits: _totals(habits, counters.Kind.PURCHASE),
    "total_revenue": _revenue,
}
#: What users received: see ``profiles.exporting_received``.
RECEIVED: Final = frozenset({"campaigns_received", "canvases_received"})
FIELDS: Final = (*_VALUES, *_LISTS, *_HABITS, *sorted(RECEIVED))
