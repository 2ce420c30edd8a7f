"""A house whose filters' sets are kept, and ways to look at them."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from profiles import versions
from profiles.models import Profile
from segments.engine import Evaluation, evaluate
from segments.tree import parse
from tests.segments.conftest import House, build_house
from workspaces import valkey
from workspaces.endpoints import ENDPOINTS
from workspaces.models import ApiKey

Leaf = dict[str, Any]
Post = Callable[[str, Any], Any]


def leaf(key: str, operator: str, value: Any = None, **more: Any) -> Leaf:
    return {"filter": key, "operator": operator, "value": value, **more}


JAPAN = leaf("country", "is_any_of", ["JP"])
AGE = leaf("custom_attribute", "more_than", 4, subject={"name": "age", "type": "number"})
USED = leaf("last_used_app", "less_than_days_ago", 1)


@pytest.fixture
def house(transactional_db: None) -> Iterator[House]:
    """Its three users in Japan are 0, 3 and 6. What tests before it kept is gone."""
    valkey.valkey().flushdb()
    made = build_house()
    with transaction.atomic():
        versions.bump(made.workspace.pk, versions.NOTED)
    yield made
    valkey.valkey().flushdb()


@pytest.fixture
def post(house: House) -> Post:
    """Posts JSON with a key that may do everything."""
    _row, key = ApiKey.make(workspace=house.workspace, name="All", permissions=list(ENDPOINTS))

    def send(path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {key.secret}"}
        answer = Client().post(path, orjson.dumps(body), content_type="application/json", headers=headers)
        assert answer.status_code < 300, answer.content
        return answer

    return send


def run(house: House, *rows: Any, **more: Any) -> Evaluation:
    return evaluate(parse(house.tree(*rows)), house.workspace, **more)


def names(house: House, leaf: Leaf, **more: Any) -> set[str]:
    found = run(house, leaf, **more)
    assert not found.problems, found.problems
    rows = Profile.objects.filter(pk__in=list(found.users)).values_list("external_id", flat=True)
    return {(name or "anonymous").removeprefix("user-") for name in rows}


def finds(work: Callable[[], Any]) -> int:
    """How many sets PostgreSQL is asked for while ``work`` runs."""
    with CaptureQueriesContext(connection) as queries:
        work()
    return sum("string_agg(int4send(" in query["sql"] for query in queries)


def change(house: House, country: str = "JP") -> None:
    with transaction.atomic():
        Profile.objects.filter(external_id="user-1").update(country=country)
        versions.bump(house.workspace.pk, [versions.Kind.ATTRIBUTES])
