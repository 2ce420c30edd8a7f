"""Which campaigns and Canvases users received, in the form of Braze's export.

It is what engagement events told (``profiles.engagement``). Braze: export user profile by segment, sample output.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import Max

from profiles.dates import iso
from profiles.message_stores import DailyEngagement, MessageSource
from profiles.message_stores import EngagementAction as Action

_Kind = MessageSource.Kind
_OPENED: Final = (Action.OPENED, Action.MACHINE_OPENED)
#: By the name of what a user can have done with a campaign: actions and channel.
_ENGAGED: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "opened_email": (_OPENED, "email"),
    "opened_push": (_OPENED, "push"),
    "clicked_email": ((Action.CLICKED,), "email"),
    "clicked_triggered_in_app_message": ((Action.CLICKED,), "in_app_message"),
}


@dataclass
class _Met:
    """What one user met of a campaign or Canvas: when last, by action and channel; and the same of its parts."""

    source: MessageSource
    last: dict[tuple[str, str], datetime] = field(default_factory=dict)
    parts: list["_Met"] = field(default_factory=list)

    def latest(self, *actions: str, channel: str = "") -> datetime | None:
        """When one of ``actions`` was last, on a channel or ("") on any."""
        wanted = [one for (action, on), one in self.last.items() if action in actions and channel in ("", on)]
        return max(wanted, default=None)

    def part(self, kind: str) -> "_Met | None":
        """The part of that kind that the user met last: the variant or variation that they are in."""
        found = [one for one in self.parts if one.source.kind == kind]
        return max(found, key=lambda one: max(one.last.values()), default=None)


def received(ids: Sequence[int], since: datetime | None = None) -> dict[str, dict[int, Any]]:
    """By the field's name and by profile: what each of the profiles received, or received since then.

    Two statements whatever the number of users.
    """
    campaigns: dict[int, Any] = {}
    canvases: dict[int, Any] = {}
    for profile_id, one in _met(ids):
        is_campaign = one.source.kind == _Kind.CAMPAIGN
        last = one.latest(Action.RECEIVED, Action.IN_CONTROL, *([] if is_campaign else [Action.ENTERED]))
        if last is None or (since is not None and last < since):
            continue
        said = _campaign(one) if is_campaign else _canvas(one)
        whose = campaigns if is_campaign else canvases
        whose.setdefault(profile_id, []).append({name: value for name, value in said.items() if value is not None})
    return {"campaigns_received": campaigns, "canvases_received": canvases}


def _met(ids: Sequence[int]) -> list[tuple[int, _Met]]:
    """Profiles and the campaigns and Canvases that each met, in the order in which these were first known."""
    rows = DailyEngagement.objects.filter(profile_id__in=ids, source__gt=0).order_by()
    told = list(rows.values_list("profile_id", "source", "action", "channel").annotate(last=Max("last_at")))
    sources = MessageSource.objects.select_related("parent").in_bulk({source for _user, source, *_rest in told})
    met: dict[tuple[int, int], _Met] = {}
    for profile_id, source_id, action, channel, last in sorted(told, key=lambda row: row[:2]):
        source = sources.get(source_id)
        if source and source.kind != _Kind.LINK:
            met.setdefault((profile_id, source_id), _Met(source)).last[action, channel] = last
    for (profile_id, _source), one in met.items():
        whole = met.get((profile_id, one.source.parent_id or 0))
        if whole:
            whole.parts.append(one)
    return [(profile_id, one) for (profile_id, _source), one in met.items() if one.source.parent_id is None]


def _campaign(met: _Met) -> dict[str, Any]:
    engaged = {name: True for name, (actions, channel) in _ENGAGED.items() if met.latest(*actions, channel=channel)}
    variant, control = met.part(_Kind.VARIANT), met.latest(Action.IN_CONTROL)
    return {
        "name": met.source.name,
        "api_campaign_id": met.source.source_id,
        "last_received": iso(met.latest(Action.RECEIVED)),
        "engaged": engaged,
        "converted": met.latest(Action.CONVERTED) is not None,
        "in_control": control is not None if variant or control else None,
        "variation_name": variant.source.name if variant else None,
        "variation_api_id": variant.source.source_id if variant else None,
    }


def _canvas(met: _Met) -> dict[str, Any]:
    variation = met.part(_Kind.VARIATION)
    steps = [(one.source, one.latest(Action.RECEIVED)) for one in met.parts if one.source.kind == _Kind.STEP]
    return {
        "name": met.source.name,
        "api_canvas_id": met.source.source_id,
        "last_received_message": iso(met.latest(Action.RECEIVED)),
        "last_entered": iso(met.latest(Action.ENTERED)),
        "variation_name": variation.source.name if variation else None,
        "in_control": met.latest(Action.IN_CONTROL) is not None,
        "steps_received": [
            {"name": step.name, "api_canvas_step_id": step.source_id, "last_received": iso(last)}
            for step, last in steps
            if last
        ],
    }
