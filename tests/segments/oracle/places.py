"""Fields that are kept beside the columns: the last place, connected accounts, what the install was attributed to."""

import math
from typing import Any

from hypothesis import strategies as st

from segments.filters.base import Leaf, Operator
from tests.segments.oracle.base import NUMBERS, Facet, World, compared, each, in_text

TOKYO = {"latitude": 35.68, "longitude": 139.77}
SHIBUYA = {"latitude": 35.66, "longitude": 139.7, "altitude": 30}
BERLIN = {"latitude": 52.52, "longitude": 13.4}
#: On both sides of the line where the date changes.
FIJI, SAMOA = {"latitude": -17.7, "longitude": 179.9}, {"latitude": -17.7, "longitude": -179.9}
PLACES = [TOKYO, SHIBUYA, BERLIN, FIJI, SAMOA, {"latitude": "35.68", "longitude": 139.77}, {"latitude": 1}, None, "x"]
CIRCLES = [
    {**TOKYO, "kilometers": 10},
    {**TOKYO, "kilometers": 1},
    {**FIJI, "kilometers": 30},
    {"latitude": 90, "longitude": 0, "kilometers": 20_000},
]
_number = st.sampled_from([*NUMBERS, "5", None])
_NAMES = ["Spring", "spring", "a'b%_", "5"]
_MEMBERS = ["source", "campaign", "adgroup", "ad"]
fields = st.fixed_dictionaries(
    {},
    optional={
        "current_location": st.sampled_from(PLACES),
        "facebook": st.sampled_from([None, {}]) | st.fixed_dictionaries({"num_friends": _number}),
        "install_attribution": st.fixed_dictionaries({}, optional=dict.fromkeys(_MEMBERS, st.sampled_from(_NAMES))),
        "twitter": st.sampled_from([None, {}]) | st.fixed_dictionaries({"followers_count": _number}),
    },
)


def _place(part: dict[str, Any]) -> tuple[float, float] | None:
    place = part.get("current_location")
    if not isinstance(place, dict):
        return None
    found = [place.get(name) for name in ("latitude", "longitude")]
    return (found[0], found[1]) if all(isinstance(one, int | float) for one in found) else None  # type: ignore[return-value]


def _vector(latitude: float, longitude: float) -> tuple[float, float, float]:
    up, along = math.radians(latitude), math.radians(longitude)
    return math.cos(up) * math.cos(along), math.cos(up) * math.sin(along), math.sin(up)


def _near(leaf: Leaf, part: dict[str, Any], world: World) -> bool:
    place, circle = _place(part), leaf.value
    # The straight line through the Earth, and from it the way along its surface.
    chord = math.dist(_vector(*place), _vector(circle["latitude"], circle["longitude"])) if place else math.inf
    inside = place is not None and 2 * 6371.0088 * math.asin(min(1, chord / 2)) <= circle["kilometers"]
    return inside == (leaf.operator == "is_within")


def _inner(part: dict[str, Any], field: str, name: str) -> Any:
    found = (part.get(field) or {}).get(name)
    return found if isinstance(found, int | float) else None


def _attributed(leaf: Leaf, part: dict[str, Any], world: World) -> bool:
    told = part.get("install_attribution", {}).get(leaf.filter.rpartition("_")[2])
    return in_text(leaf.operator, leaf.value, told)


def _circles(operator: Operator, kind: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(CIRCLES)


ATTRIBUTIONS = [f"install_attribution_{member}" for member in _MEMBERS]
FACET = Facet(
    key="places",
    parts=each(fields),
    passes={
        **dict.fromkeys(ATTRIBUTIONS, _attributed),
        "most_recent_location": _near,
        "location_available": lambda leaf, part, world: (_place(part) is not None) == (leaf.value == "true"),
        "connected_facebook": lambda leaf, part, world: bool(part.get("facebook")) == (leaf.value == "true"),
        "connected_twitter": lambda leaf, part, world: bool(part.get("twitter")) == (leaf.value == "true"),
        "facebook_friends": lambda leaf, part, world: compared(
            leaf.operator, leaf.value, _inner(part, "facebook", "num_friends")
        ),
        "twitter_followers": lambda leaf, part, world: compared(
            leaf.operator, leaf.value, _inner(part, "twitter", "followers_count")
        ),
    },
    columns=lambda part: {"other_fields": part},
    texts=dict.fromkeys(ATTRIBUTIONS, st.sampled_from([*_NAMES, "ring"])),
    values={"most_recent_location": _circles},
)
