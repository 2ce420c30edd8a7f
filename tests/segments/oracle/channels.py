"""Push: tokens and the state of its subscription. Subscription groups."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from profiles.models import Profile, PushToken, PushToStart, SubscriptionGroup, SubscriptionState
from segments.filters.base import Leaf
from tests.segments.oracle.base import NOW, Facet, World, each

GROUPS = ["group-0", "group-1"]
APPS = ["token-app-0", "token-app-1"]
#: Of the apps of a world, in their order.
PLATFORMS = ["web", "ios"]


@dataclass
class Channels:
    push_subscribe: str
    #: By app: whether messages are shown, and whether that is provisional.
    tokens: dict[int, tuple[bool, bool]]
    starts: frozenset[int]
    groups: dict[str, bool]


one = st.builds(
    Channels,
    push_subscribe=st.sampled_from(Profile.Subscription.values),
    tokens=st.dictionaries(st.sampled_from([0, 1]), st.tuples(st.booleans(), st.booleans())),
    starts=st.frozensets(st.sampled_from([0, 1])),
    groups=st.dictionaries(st.sampled_from(GROUPS), st.booleans()),
)


def _prepare(world: World) -> None:
    world.names |= {name: str(app.api_id) for name, app in zip(APPS, world.apps, strict=True)}
    world.notes["groups"] = groups = {}
    for name in GROUPS:
        groups[name] = SubscriptionGroup.objects.create(workspace=world.workspace, name=name)
        world.names[name] = str(groups[name].api_id)


def _write(world: World) -> None:
    PushToken.objects.bulk_create(
        PushToken(
            workspace=world.workspace,
            profile_id=user.id,
            app=world.apps[n],
            token=f"t{user.id}",
            device_id="d",
            is_foreground=is_foreground,
            is_provisional=is_provisional,
        )
        for user in world.users
        for n, (is_foreground, is_provisional) in user.parts["channels"].tokens.items()
    )
    PushToStart.objects.bulk_create(
        PushToStart(profile_id=user.id, app=world.apps[n], token=f"s{user.id}", told_at=NOW)
        for user in world.users
        for n in user.parts["channels"].starts
    )
    SubscriptionState.objects.bulk_create(
        SubscriptionState(profile_id=user.id, group=world.notes["groups"][name], is_subscribed=state)
        for user in world.users
        for name, state in user.parts["channels"].groups.items()
    )


def _group(leaf: Leaf, part: Channels, world: World) -> bool:
    name = next(
        name for name, group in world.notes["groups"].items() if str(group.api_id) == (leaf.subject or {})["id"]
    )
    states: dict[Any, str] = {True: "subscribed", False: "unsubscribed", None: "unknown"}
    return (states[part.groups.get(name)] == leaf.value) == (leaf.operator == "is")


def _enabled(leaf: Leaf, part: Channels, world: World) -> bool:
    platforms = (
        {PLATFORMS[n] for n, how in part.tokens.items() if any(how)} if part.push_subscribe != "unsubscribed" else set()
    )
    found = bool(platforms) if leaf.value == "any" else leaf.value in platforms
    return found == (leaf.operator == "is_on")


def _for_app(leaf: Leaf, part: Channels, world: World) -> bool:
    number = [str(app.api_id) for app in world.apps].index((leaf.subject or {})["app"])
    is_foreground, is_provisional = part.tokens.get(number, (False, False))
    true = {
        "push_enabled_for_app": is_foreground or is_provisional,
        "provisionally_authorized_on_ios": is_provisional,
        "push_to_start_registered_for_app": number in part.starts,
    }[leaf.filter]
    return true == (leaf.operator == "is_true")


FOR_APP = ["push_enabled_for_app", "provisionally_authorized_on_ios", "push_to_start_registered_for_app"]


FACET = Facet(
    key="channels",
    parts=each(one),
    passes={
        "subscription_group": _group,
        "push_enabled": _enabled,
        **dict.fromkeys(FOR_APP, _for_app),
        "push_token_available": lambda leaf, part, world: bool(part.tokens) == (leaf.value == "true"),
        "background_or_foreground_push_enabled": lambda leaf, part, world: (
            (bool(part.tokens) and part.push_subscribe != "unsubscribed") == (leaf.value == "true")
        ),
        "push_subscription_status": lambda leaf, part, world: (
            (part.push_subscribe == leaf.value) == (leaf.operator == "is")
        ),
    },
    prepare=_prepare,
    columns=lambda part: {"push_subscribe": part.push_subscribe},
    write=_write,
    subjects={
        "subscription_group": lambda kind: st.fixed_dictionaries({"id": st.sampled_from(GROUPS)}),
        **dict.fromkeys(FOR_APP, lambda kind: st.fixed_dictionaries({"app": st.sampled_from(APPS)})),
    },
)
