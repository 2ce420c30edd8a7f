"""Sixteen partners' clients at once, against a running web server and its workers."""

import random
from functools import partial

import pytest

from tests.partners.conftest import MakeUsers, Partner
from tests.partners.pushers import (
    COUNTS,
    Change,
    Client,
    Oracle,
    Pushing,
    at_random,
    counts_of,
    data_points,
    wait_until_folded,
)
from tests.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

PUSHERS = 16


def test_sixteen_pushers_on_one_cohort(stack: Stack, mixpanel: Partner, users: MakeUsers) -> None:
    """Each has users of its own, so that the order among the pushers does not matter; a reader folds beside them."""
    draw = random.Random(16)
    of_pusher = [[f"user-{pusher}-{number}" for number in range(40)] for pusher in range(PUSHERS)]
    users(*(one for ids in of_pusher for one in ids[:30]))
    oracle = Oracle({one for ids in of_pusher for one in ids[:30]})
    requests = [at_random(draw, ids, requests=12, size=20) for ids in of_pusher]

    assert mixpanel.name().status_code == 201
    client = Client(mixpanel, stack.web_url)
    pushing = Pushing(partial(_push_all, client, "c1", mine) for mine in requests)
    while pushing.is_alive():
        assert mixpanel.members() <= oracle.known
    pushing.join()
    wait_until_folded()

    for mine in requests:
        for changes in mine:
            oracle.apply(changes)
    assert mixpanel.members() == oracle.members
    found = counts_of(mixpanel)
    assert {name: found[name] for name in COUNTS} == {name: oracle.counts[name] for name in COUNTS}
    assert data_points(mixpanel) == oracle.counts["added"] + oracle.counts["removed"]


def test_sixteen_pushers_on_sixteen_cohorts(stack: Stack, mixpanel: Partner, users: MakeUsers) -> None:
    """All of them name the same users."""
    draw = random.Random(61)
    ids = [f"user-{number}" for number in range(60)]
    users(*ids[:50])
    requests = {f"c{pusher}": at_random(draw, ids, requests=12, size=20) for pusher in range(PUSHERS)}

    for cohort_id in requests:
        assert mixpanel.name(cohort_id=cohort_id).status_code == 201
    client = Client(mixpanel, stack.web_url)
    Pushing(partial(_push_all, client, cohort_id, mine) for cohort_id, mine in requests.items()).join()
    wait_until_folded()

    total = 0
    for cohort_id, mine in requests.items():
        oracle = Oracle(set(ids[:50]))
        for changes in mine:
            oracle.apply(changes)
        assert mixpanel.members(cohort_id) == oracle.members
        found = counts_of(mixpanel, cohort_id)
        assert {name: found[name] for name in COUNTS} == {name: oracle.counts[name] for name in COUNTS}
        total += oracle.counts["added"] + oracle.counts["removed"]
    assert data_points(mixpanel) == total


def _push_all(client: Client, cohort_id: str, requests: list[list[Change]]) -> None:
    for changes in requests:
        client.push(cohort_id, changes)
