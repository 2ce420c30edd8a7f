"""The devices that users were seen on."""

import re
from typing import Any

from hypothesis import strategies as st

from profiles.models import Device
from segments.filters.base import Leaf, Operator
from tests.segments.oracle.base import Facet, World, compared, each, in_text

PLATFORMS = ["ios", "android", "web", "kindle"]
MODELS = ["gold", "Pixel 9", "", "a'b%_\\", "日本"]
VERSIONS = ["17", "17.0", "iOS 17.4", "9.1", "10", "", "beta", "17.4.1.2.3"]
OPPOSITES = {
    "is_none_of": "is_any_of",
    "does_not_contain": "contains",
    "contains_none_of": "contains_any_of",
    "does_not_equal": "equals",
    "is_blank": "is_not_blank",
}
AD_IDS = ["A-1", "a-1", "", "B%2"]
AD_ID_TYPES = {
    "device_idfa": "ios_idfa",
    "device_google_ad_id": "google_ad_id",
    "device_roku_ad_id": "roku_ad_id",
    "device_windows_ad_id": "windows_ad_id",
}
#: Columns of a device, and what they can be.
COLUMNS = {
    "platform": PLATFORMS,
    "model": MODELS,
    "os_version": VERSIONS,
    "carrier": MODELS,
    "browser": MODELS,
    "ad_id": AD_IDS,
    "ad_id_type": [*AD_ID_TYPES.values(), ""],
    "ad_tracking": ["", "true", "false"],
}
TEXTS = {"device_model": "model", "device_carrier": "carrier", "web_browser": "browser"}
Devices = list[dict[str, str]]


def _write(world: World) -> None:
    Device.objects.bulk_create(
        Device(workspace=world.workspace, profile_id=user.id, device_id=f"d{number}", **columns)
        for user in world.users
        for number, columns in enumerate(user.parts["devices"])
    )


def _some(leaf: Leaf, texts: list[str]) -> bool:
    if leaf.operator in OPPOSITES:
        return not any(in_text(OPPOSITES[leaf.operator], leaf.value, text) for text in texts)
    return any(in_text(leaf.operator, leaf.value, text) for text in texts)


def _numbers(version: str) -> list[int] | None:
    found = re.search(r"\d+(\.\d+){0,3}", version)
    return [*map(int, found[0].split(".")), 0, 0, 0][:4] if found else None


def _version(leaf: Leaf, part: Devices, world: World) -> bool:
    numbers = [_numbers(one["os_version"]) for one in part if one["platform"] == (leaf.subject or {})["os"]]
    return any(one is not None and compared(leaf.operator, _numbers(leaf.value), one) for one in numbers)


def _count(leaf: Leaf, part: Devices, world: World) -> bool:
    return compared(leaf.operator, leaf.value, len(part))


def _values(operator: Operator, kind: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(["9", "9.1", "10.0", "17", "17.4", "17.4.1.2"])


def _advertising(leaf: Leaf, part: Devices, world: World) -> bool:
    kind = AD_ID_TYPES[leaf.filter]
    return _some(leaf, [one["ad_id"] for one in part if one["ad_id_type"] == kind and one["ad_id"]])


def _tracking(leaf: Leaf, part: Devices, world: World) -> bool:
    return any(one["ad_tracking"] == "true" for one in part) == (leaf.operator == "is_true")


def _text(leaf: Leaf, part: Devices, world: World) -> bool:
    return _some(leaf, [one[TEXTS[leaf.filter]] for one in part])


FACET = Facet(
    key="devices",
    parts=each(
        st.lists(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in COLUMNS.items()}), max_size=3)
    ),
    passes={
        "device_count": _count,
        **dict.fromkeys(TEXTS, _text),
        **dict.fromkeys(AD_ID_TYPES, _advertising),
        "ad_tracking_enabled": _tracking,
        "device_os": lambda leaf, part, world: _some(leaf, [one["platform"] for one in part]),
        "device_os_version": _version,
    },
    write=_write,
    subjects={"device_os_version": lambda kind: st.fixed_dictionaries({"os": st.sampled_from(PLATFORMS)})},
    texts={
        **dict.fromkeys(TEXTS, st.sampled_from([*filter(None, MODELS), "Pixel"])),
        **dict.fromkeys(AD_ID_TYPES, st.sampled_from([*filter(None, AD_IDS), "-1"])),
        "device_os": st.sampled_from(PLATFORMS),
    },
    values={"device_os_version": _values},
)
