"""The catalogue says of every event type what the facts say."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from currents.catalogue import BLOCKS, Property, catalogue, grouped, offered

FACTS = [
    orjson.loads(line) for line in (Path(__file__).parent / "facts" / "currents_events.jsonl").read_bytes().splitlines()
]


def _property_facts(one: Property) -> dict[str, Any]:
    if one.literal is not None:
        return {"literal": one.literal}
    return {"required": one.required, "type": one.type, "pii": one.pii}


def test_it_works() -> None:
    assert [row["event_type"] for row in FACTS] == list(catalogue())
    assert len(offered()) == 58


@pytest.mark.parametrize("facts", FACTS, ids=lambda facts: facts["event_type"])
def test_each_type_agrees_with_the_facts(facts: dict[str, Any]) -> None:
    ours = catalogue()[facts["event_type"]]

    assert ours.group == facts["group"]
    assert ours.offered == facts["in_mission"]
    assert ours.mixpanel_name == facts["mixpanel_name"]
    assert {name: list(values) for name, values in ours.enums.items()} == (facts.get("enums") or {})
    for schema, side in ((ours.mixpanel, "mixpanel_properties"), (ours.storage, "storage_fields")):
        assert (schema is None) == (facts[side] is None)
        for name, expected in (facts[side] or {}).items():
            assert schema is not None
            assert _property_facts(schema[name]) == expected, f"{side}.{name}"
        assert list(schema or {}) == list(facts[side] or {})


def test_every_type_is_listed_once() -> None:
    listed = [one.name for _block, groups in grouped(catalogue()) for _heading, types in groups for one in types]

    assert sorted(listed) == sorted(catalogue())


def test_the_form_lists_two_blocks_in_groups() -> None:
    blocks = {block: [str(heading) for heading, _types in groups] for block, groups in grouped(offered())}

    assert list(blocks) == list(BLOCKS)
    assert blocks["message_engagement"] == [
        "Email", "Push Notification", "SMS", "WhatsApp", "In-App Message", "Content Card", "Webhook", "Campaign",
        "Canvas", "Subscription", "Uninstall",
    ]  # fmt: skip
    assert blocks["customer_behavior"] == ["Sessions", "Events"]


def test_a_label_has_no_brackets() -> None:
    assert catalogue()["users.behaviors.CustomEvent"].label == "Custom Event"
    assert catalogue()["users.messages.email.Open"].label == "Email Open"
