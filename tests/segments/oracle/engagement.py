"""What befell users with messages, campaigns and Canvases."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from profiles.engagement import Source, Touch, name_campaign, parts_of, record
from profiles.message_stores import EngagementAction, MessageSource
from segments.filters.base import Leaf, Operator
from tests.segments.oracle.apps import counts
from tests.segments.oracle.base import NOW, Facet, World, each, in_time
from tests.segments.oracle.behaviours import TIMES, often, values

SOURCES = [Source("campaign", "c1"), Source("campaign", "c2"), Source("canvas", "c1")]
TAGS = {SOURCES[0]: ["spring", "all"], SOURCES[1]: [], SOURCES[2]: ["all"]}
CHANNELS = ["email", "push", "sms", "in_app_message", "whatsapp", "webhook", "content_card", "banner"]
#: Parts by the field of events that names them. Both campaigns have variants with the same ids.
PARTS = {
    "canvas_step_id": ["s1", "s2"],
    "canvas_variation_id": ["p1", "p2"],
    "message_variation_id": ["t1", "t2"],
    "link_alias": ["buy", "more"],
}


class Happened(NamedTuple):
    """One thing that befell a user; ``told`` are the parts that the event names."""

    action: str
    channel: str
    time: datetime
    source: Source | None
    told: dict[str, str]


_happened = st.builds(
    Happened,
    action=st.sampled_from(EngagementAction.values),
    channel=st.sampled_from(CHANNELS),
    time=st.sampled_from(TIMES),
    source=st.sampled_from([None, *SOURCES]),
    told=st.fixed_dictionaries({}, optional={name: st.sampled_from(ids) for name, ids in PARTS.items()}),
)


def _prepare(world: World) -> None:
    for source in SOURCES:
        kind = MessageSource.Kind(source.kind)
        name_campaign(world.workspace.pk, kind, source.source_id, source.source_id, TAGS[source])
    [canvas] = MessageSource.objects.filter(workspace=world.workspace, kind="canvas")
    for name, kind, parents in (
        ("canvas_step_id", "step", [canvas]),
        ("canvas_variation_id", "variation", [canvas]),
        ("message_variation_id", "variant", MessageSource.objects.filter(workspace=world.workspace, kind="campaign")),
    ):
        MessageSource.objects.bulk_create(
            MessageSource(workspace=world.workspace, kind=kind, source_id=one, parent=parent)
            for parent in parents
            for one in PARTS[name]
        )


def _write(world: World) -> None:
    touches = [
        Touch(
            one.id,
            each.action,
            each.channel,
            each.time,
            each.source,
            parts=parts_of(each.source, each.action, each.told),
        )
        for one in world.users
        for each in one.parts["engagement"]
    ]
    record(world.workspace.pk, touches)


def _of_source(leaf: Leaf, part: list[Happened]) -> list[Happened]:
    """What happened with what the leaf is about."""
    assert leaf.subject
    [(kind, named)] = leaf.subject.items()
    if kind == "tag":
        return [one for one in part if one.source and named in TAGS[one.source]]
    if kind in ("campaign", "canvas"):
        return [one for one in part if one.source == Source(kind, named)]
    whole, field = {
        "step": ("canvas", "canvas_step_id"),
        "variation": ("canvas", "canvas_variation_id"),
        "variant": ("campaign", "message_variation_id"),
    }[kind]
    return [one for one in part if one.source and one.source.kind == whole and one.told.get(field) == named]


_ACTIONS = {
    "received_campaign": "received",
    "received_campaign_variant": "received",
    "received_canvas": "received",
    "received_canvas_step": "received",
    "received_with_tag": "received",
    "converted_from_campaign": "converted",
    "converted_from_canvas": "converted",
    "in_campaign_control_group": "control",
    "in_canvas_control_group": "control",
    "entered_canvas": "entered",
    "entered_canvas_variation": "entered",
}


def _befell(leaf: Leaf, part: list[Happened], world: World) -> bool:
    did = [one for one in _of_source(leaf, part) if one.action == _ACTIONS[leaf.filter]]
    if (leaf.filter, leaf.operator) == ("in_canvas_control_group", "has_not"):
        return not did and any(one.action == "entered" for one in _of_source(leaf, part))
    if leaf.operator in ("has_in_days", "has_not_in_days"):
        did = [one for one in did if one.time >= NOW - timedelta(days=leaf.value)]
    if leaf.operator.startswith("has"):
        return bool(did) == ("not" not in leaf.operator)
    return counts(leaf.operator, len(did), leaf.value)


def _clicked_alias(leaf: Leaf, part: list[Happened], world: World) -> bool:
    """A link of a Canvas belongs to a step."""
    of = _of_source(leaf, part) if leaf.subject else part
    clicked = [
        one
        for one in of
        if one.action == "clicked"
        and one.told.get("link_alias") in leaf.value
        and one.source
        and (one.source.kind == "campaign" or "canvas_step_id" in one.told)
    ]
    return bool(clicked) == (leaf.operator == "has")


def _never_received(leaf: Leaf, part: list[Happened], world: World) -> bool:
    never = not any(one.action == "received" and one.source for one in part)
    return never == (leaf.operator == "is_true")


def _last_in_control(leaf: Leaf, part: list[Happened], world: World) -> bool:
    times = [one.time for one in part if one.action == "control" and one.source and one.source.kind == "campaign"]
    if leaf.operator in ("is_blank", "is_not_blank"):
        return bool(times) == (leaf.operator == "is_not_blank")
    return in_time(leaf.operator, leaf.value, max(times, default=None))


def _last_of_source(leaf: Leaf, part: list[Happened], world: World) -> bool:
    did = [one.time for one in _of_source(leaf, part) if one.action == "received"]
    return in_time(leaf.operator, leaf.value, max(did, default=None))


_INTERACTIONS = {
    "opened": ("opened machine", ""),
    "clicked": ("clicked", ""),
    "opened_email": ("opened machine", "email"),
    "opened_email_machine": ("machine", "email"),
    "opened_email_other": ("opened", "email"),
    "clicked_email": ("clicked", "email"),
    "opened_push": ("opened machine", "push"),
    "clicked_in_app_message": ("clicked", "in_app_message"),
    "clicked_content_card": ("clicked", "content_card"),
    "clicked_banner": ("clicked", "banner"),
    "clicked_sms": ("clicked", "sms"),
    "read_whatsapp": ("opened machine", "whatsapp"),
}


def _interacted(leaf: Leaf, part: list[Happened], world: World) -> bool:
    actions, channel = _INTERACTIONS[leaf.value]
    did = [one for one in _of_source(leaf, part) if one.action in actions.split() and channel in ("", one.channel)]
    return bool(did) == (leaf.operator == "has")


_ANY = {
    "last_received_any_message": ("received", ""),
    "last_received_email": ("received", "email"),
    "last_received_push": ("received", "push"),
    "last_received_sms": ("received", "sms"),
    "last_received_whatsapp": ("received", "whatsapp"),
    "last_received_webhook": ("received", "webhook"),
    "last_in_app_message_impression": ("received", "in_app_message"),
    "last_engaged_with_message": ("opened machine clicked", ""),
    "hard_bounced": ("bounced", ""),
    "marked_as_spam": ("spam", ""),
}


def _any_message(leaf: Leaf, part: list[Happened], world: World) -> bool:
    actions, channel = _ANY[leaf.filter]
    times = [one.time for one in part if one.action in actions.split() and channel in ("", one.channel)]
    if leaf.operator in ("is_true", "is_false", "is_blank", "is_not_blank"):
        return bool(times) == (leaf.operator in ("is_true", "is_not_blank"))
    return in_time(leaf.operator, leaf.value, max(times, default=None))


def _soft_bounced(leaf: Leaf, part: list[Happened], world: World) -> bool:
    return often(leaf, [(one.time, 1) for one in part if one.action == "softbounce"])


def _about(kind: str, *ids: str) -> Any:
    return lambda _kind: st.fixed_dictionaries({kind: st.sampled_from(ids)})


_CAMPAIGN = _about("campaign", "c1", "c2")
_CANVAS = _about("canvas", "c1")
_STEP = _about("step", "s1", "s2")
_TAG = _about("tag", "spring", "all")
_LAST = {
    "last_received_from_campaign": _CAMPAIGN,
    "last_received_from_canvas": _CANVAS,
    "last_received_from_canvas_step": _STEP,
    "last_received_with_tag": _TAG,
}
_INTERACTED = {
    "clicked_opened_campaign": _CAMPAIGN,
    "clicked_opened_canvas": _CANVAS,
    "clicked_opened_step": _STEP,
    "clicked_opened_with_tag": _TAG,
}
_ALIASES = {"clicked_alias_in_campaign": _CAMPAIGN, "clicked_alias_in_canvas_step": _STEP}
_SUBJECTS = {
    **_LAST,
    **_INTERACTED,
    **_ALIASES,
    "received_campaign": _CAMPAIGN,
    "received_campaign_variant": _about("variant", "t1", "t2"),
    "received_canvas": _CANVAS,
    "received_canvas_step": _STEP,
    "received_with_tag": _TAG,
    "converted_from_campaign": _CAMPAIGN,
    "converted_from_canvas": _CANVAS,
    "in_campaign_control_group": _CAMPAIGN,
    "in_canvas_control_group": _CANVAS,
    "entered_canvas": _CANVAS,
    "entered_canvas_variation": _about("variation", "p1", "p2"),
}


def _days(operator: Operator, kind: str) -> st.SearchStrategy[Any] | None:
    return st.sampled_from([1, 2, 7, 8]) if operator.value.widget == "days" else values(operator, kind)


PASSES = {
    **dict.fromkeys(_ACTIONS, _befell),
    **dict.fromkeys(_LAST, _last_of_source),
    **dict.fromkeys(_INTERACTED, _interacted),
    **dict.fromkeys([*_ALIASES, "clicked_alias_anywhere"], _clicked_alias),
    **dict.fromkeys(_ANY, _any_message),
    "never_received_message": _never_received,
    "last_enrolled_in_control_group": _last_in_control,
    "soft_bounced": _soft_bounced,
}
FACET = Facet(
    key="engagement",
    parts=each(st.lists(_happened, max_size=6)),
    passes=PASSES,
    prepare=_prepare,
    write=_write,
    subjects=_SUBJECTS,
    texts=dict.fromkeys([*_ALIASES, "clicked_alias_anywhere"], st.sampled_from(["buy", "more", "nobody"])),
    values=dict.fromkeys(PASSES, _days),
)
