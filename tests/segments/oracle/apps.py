"""Which apps users have used, when and in which versions: Apps Used, and filters over one app."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from profiles.app_uses import Use, log_app_uses
from profiles.uninstalls import Uninstalled, log_uninstalls
from segments.filters.base import Leaf, Operator
from tests.segments.oracle.base import MOMENTS, NOW, Facet, World, each, in_time

VERSIONS = ["1.0", "1", "1.9", "1.10", "2.0.1", "beta", "0"]
#: A use of an app: when, whether a session began, the version ("": not told), and whether something was bought.
AUse = tuple[datetime, bool, str, bool]


@dataclass
class Apps:
    """By app: the uses of it, and when it was uninstalled."""

    uses: dict[int, list[AUse]]
    gone: dict[int, list[datetime]]


#: As the world names the apps.
APPS = ["app-0", "app-1"]
FILTERS = [
    "session_count_for_app",
    "first_used_specific_app",
    "last_used_specific_app",
    "first_purchase_for_app",
    "has_app",
    "uninstalled",
    "most_recent_app_version",
    "most_recent_app_version_number",
    "first_app_version",
]

_times = st.sampled_from([one for one in MOMENTS if one <= NOW])
_use = st.tuples(_times, st.booleans(), st.sampled_from(["", *VERSIONS]), st.booleans())
_apps = st.sampled_from([0, 1])


def _prepare(world: World) -> None:
    world.names |= {name: str(app.api_id) for name, app in zip(APPS, world.apps, strict=True)}


def _write(world: World) -> None:
    # One by one: what came before is added to.
    for one in world.users:
        for number, uses in one.parts["apps"].uses.items():
            for use in uses:
                log_app_uses(world.workspace.pk, [Use(one.id, str(world.apps[number].api_id), *use)])
        for number, times in one.parts["apps"].gone.items():
            for time in times:
                log_uninstalls(world.workspace.pk, [Uninstalled(one.id, str(world.apps[number].api_id), time)])


def _key(version: str) -> list[int]:
    return [int(one) for one in re.split(r"[^0-9]+", version) if one]


def _compare(one: str, other: str) -> int:
    """-1, 0 or 1, as the version ``one`` is lower than, equal to or greater than the ``other``."""
    length = max(len(_key(one)), len(_key(other)))
    first, second = (key + [0] * (length - len(key)) for key in (_key(one), _key(other)))
    return (first > second) - (first < second)


def _version(leaf: Leaf, version: str) -> bool:
    if leaf.operator in ("is_blank", "is_not_blank"):
        return (version == "") == (leaf.operator == "is_blank")
    if leaf.operator in ("is_any_of", "is_none_of"):
        return (version in leaf.value) == (leaf.operator == "is_any_of")
    if version == "":
        return leaf.operator in ("less_than", "at_most")
    order = _compare(version, leaf.value)
    return {"more_than": order > 0, "at_least": order >= 0, "less_than": order < 0, "at_most": order <= 0}[
        leaf.operator
    ]


def _passes(leaf: Leaf, part: Apps, world: World) -> bool:
    assert leaf.subject
    number = [str(app.api_id) for app in world.apps].index(leaf.subject["app"])
    uses, gone = part.uses.get(number, []), part.gone.get(number, [])
    told = [(time, version) for time, _starts, version, _buys in uses if version]
    if leaf.filter == "has_app":
        return bool(uses or gone) == (leaf.operator == "is_true")
    if leaf.filter == "uninstalled":
        is_gone = bool(gone) and all(time < max(gone) for time, *_ in uses)
        return is_gone == (leaf.operator == "is_true")
    if leaf.filter == "session_count_for_app":
        return counts(leaf.operator, sum(starts for _time, starts, *_ in uses), leaf.value)
    if leaf.filter == "first_purchase_for_app":
        return in_time(leaf.operator, leaf.value, min((time for time, *_, buys in uses if buys), default=None))
    if leaf.filter == "first_app_version":
        return _version(leaf, min(told, key=lambda one: one[0])[1] if told else "")
    if leaf.filter.startswith("most_recent_app_version"):
        # Of versions told for the same moment, the one that was told last.
        return _version(leaf, max(reversed(told), key=lambda one: one[0])[1] if told else "")
    choose = min if leaf.filter.startswith("first") else max
    return in_time(leaf.operator, leaf.value, choose((time for time, *_ in uses), default=None))


def counts(operator: str, number: Any, wanted: Any) -> bool:
    """More than, less than or exactly."""
    return {"more_than": number > wanted, "less_than": number < wanted, "exactly": number == wanted}[operator]


def _values(operator: Operator, kind: str) -> st.SearchStrategy[Any] | None:
    return st.integers(0, 3) if operator.value.widget == "times" else None


FACET = Facet(
    key="apps",
    parts=each(
        st.builds(
            Apps,
            uses=st.dictionaries(_apps, st.lists(_use, min_size=1, max_size=4), max_size=2),
            gone=st.dictionaries(_apps, st.lists(_times, min_size=1, max_size=2), max_size=2),
        )
    ),
    passes=dict.fromkeys(FILTERS, _passes),
    prepare=_prepare,
    write=_write,
    subjects=dict.fromkeys(FILTERS, lambda kind: st.fixed_dictionaries({"app": st.sampled_from(APPS)})),
    texts=dict.fromkeys(FILTERS, st.sampled_from([*VERSIONS, "1.9.5", "3"])),
    values=dict.fromkeys(FILTERS, _values),
)
