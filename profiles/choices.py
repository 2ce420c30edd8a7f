"""Subscription states as requests give them. Braze: user attributes object, ``subscription_groups``."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

STATES: Final = {"subscribed": True, "unsubscribed": False}


def states_of(value: Any) -> dict[uuid.UUID, bool]:
    """What the ``subscription_groups`` of an attributes object say, by group. Raises ValueError for another form."""
    if value is None:
        return {}
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise ValueError
    return {group_id(one.get("subscription_group_id")): state_of(one.get("subscription_state")) for one in value}


def group_id(value: Any) -> uuid.UUID:
    """The id of a subscription group. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError
    return uuid.UUID(value)


def state_of(value: Any) -> bool:
    """Whether ``value`` says subscribed. Raises ValueError when it says neither this nor unsubscribed."""
    if not isinstance(value, str) or value not in STATES:
        raise ValueError
    return STATES[value]
