"""Web server and worker are killed at random moments of a sync whose client retries: nothing is lost or counted twice.

``make test`` plays a short version; ``make soak`` the long one (SOAK_KILLS, SOAK_USERS).
"""

import os
import random
import time
from dataclasses import dataclass, field
from functools import partial

import pytest
from django.db import connection

from profiles.live import log_identity
from profiles.models import IdentityChange
from tests.partners.conftest import Partner
from tests.partners.pushers import Change, Client, Pushing, counts_of, data_points, wait_until_folded
from tests.stack import Stack
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

PUSHERS = 4
PER_REQUEST = 100
#: How many requests the pushers may be ahead of the next kill's moment: it finds them at work.
AHEAD = 12


@dataclass
class Progress:
    """How many requests are accepted, and how many may be: a kill must not come when all is over."""

    accepted: list[None] = field(default_factory=list)
    limit: int = 0


def test_five_kills_cost_nothing(stack: Stack, mixpanel: Partner) -> None:
    sync_while_killing(stack, mixpanel, users=20_000, kills=5)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_many_kills_cost_nothing(stack: Stack, mixpanel: Partner) -> None:
    users, kills = int(os.environ.get("SOAK_USERS", 200_000)), int(os.environ.get("SOAK_KILLS", 50))
    sync_while_killing(stack, mixpanel, users, kills)


def sync_while_killing(stack: Stack, partner: Partner, users: int, kills: int) -> None:
    """Push ``users`` in by several clients, take a third of them out again, and kill meanwhile."""
    draw = random.Random()
    make_many(partner.integration.workspace, users)
    stack.start_beat()
    requests = [requests_of(range(pusher, users, PUSHERS), draw) for pusher in range(PUSHERS)]
    progress = Progress()
    client = Client(partner, stack.web_url)
    pushing = Pushing(partial(_push_all, client, mine, progress) for mine in requests)
    kill_meanwhile(stack, draw, kills, pushing, progress, sum(map(len, requests)))
    pushing.join()
    wait_until_folded()

    added = {one for mine in requests for ids, remove in mine if not remove for one in ids}
    removed = {one for mine in requests for ids, remove in mine if remove for one in ids}
    assert len(added) == users
    assert partner.members() == added - removed
    counts = counts_of(partner)
    assert (counts["added"], counts["removed"], counts["unmatched"]) == (users, len(removed), 0)
    assert counts["received"] == counts["added"] + counts["removed"] + counts["already_there"]
    assert counts["requests"] >= len(progress.accepted)
    assert data_points(partner) == users + len(removed)
    assert partner.cohort().size == len(added - removed)


def requests_of(numbers: range, draw: random.Random) -> list[Change]:
    """One pusher's requests in their order: each of its users is added once, and about a third are removed later."""
    ids = [f"user-{number}" for number in numbers]
    draw.shuffle(ids)
    requests: list[Change] = []
    for start in range(0, len(ids), PER_REQUEST):
        chunk = ids[start : start + PER_REQUEST]
        requests.append((chunk, False))
        if draw.random() < 1 / 3:
            requests.append((chunk[: len(chunk) * 3 // 4], True))
    return requests


def kill_meanwhile(
    stack: Stack, draw: random.Random, kills: int, pushing: Pushing, progress: Progress, total: int
) -> None:
    """Kill web server or worker ``kills`` times, at random moments that are spread over the sync."""
    for kill in range(kills):
        moment = int(total * (kill + draw.random()) / (kills + 1))
        progress.limit = moment + AHEAD
        while len(progress.accepted) < moment and pushing.is_alive():
            time.sleep(0.002)
        assert pushing.is_alive(), "The sync ended before the last kill."
        time.sleep(draw.uniform(0, 0.05))
        if draw.random() < 0.5:
            stack.kill_web()
            stack.start_web()
        else:
            stack.kill_worker()
            stack.start_worker()
    progress.limit = total


def make_many(workspace: Workspace, count: int) -> None:
    """``count`` users, by one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO profiles_profile (workspace_id, braze_id, external_id, random_bucket)"
            " SELECT %s, lpad(to_hex(n), 24, '0'), 'user-' || n, 0 FROM generate_series(0, %s) AS n RETURNING id",
            [workspace.pk, count - 1],
        )
        ids = [profile_id for (profile_id,) in cursor.fetchall()]
    log_identity(workspace.pk, IdentityChange.Kind.CREATED, ids)


def _push_all(client: Client, requests: list[Change], progress: Progress) -> None:
    for change in requests:
        while len(progress.accepted) >= progress.limit:
            time.sleep(0.002)
        client.push_until_accepted("c1", [change])
        progress.accepted.append(None)
