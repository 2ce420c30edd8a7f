"""Partners that push over real HTTP, many at once, and what their requests come to."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import orjson
import urllib3
from django.db import connection
from django.db.models import Sum

from partners.models import CohortChange, SyncRun
from tests.partners.conftest import Partner
from workspaces.models import DataPoints

PATIENCE = 120.0
COUNTS = ("requests", "received", "added", "removed", "already_there", "unmatched")

#: The ids of one object of a request, and whether they are to be removed.
Change = tuple[Sequence[str], bool]


@dataclass
class Oracle:
    """What requests come to that are applied one after the other. ``known``: who exists."""

    known: set[str]
    members: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def apply(self, changes: Iterable[Change]) -> None:
        """One request."""
        outcome: dict[str, bool] = {}
        found = 0
        for ids, remove in changes:
            named = [one for one in ids if one in self.known]
            outcome |= dict.fromkeys(named, remove)
            found += len(named)
            self.counts["received"] += len(ids)
            self.counts["unmatched"] += len(ids) - len(named)
        added = {one for one, remove in outcome.items() if not remove} - self.members
        removed = {one for one, remove in outcome.items() if remove} & self.members
        self.members = (self.members | added) - removed
        changed = len(added) + len(removed)
        self.counts += Counter(requests=1, added=len(added), removed=len(removed), already_there=found - changed)


class Client:
    """A client of the partner cohort API at ``url``, for any number of threads."""

    def __init__(self, partner: Partner, url: str) -> None:
        self._keys = {"partner_api_key": partner.partner_api_key, "client_secret": partner.client_secret}
        self._url = f"{url}/partners/{partner.integration.partner_slug}/cohorts/users"
        self._http = urllib3.PoolManager(retries=False, timeout=30.0, maxsize=32)

    def push(self, cohort_id: str, changes: Iterable[Change]) -> None:
        """One request, sent once."""
        status, text = self._send(cohort_id, changes)
        assert status == 201, text

    def push_until_accepted(self, cohort_id: str, changes: Sequence[Change]) -> None:
        """One request, sent until there is an answer that says that it has arrived."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                status, text = self._send(cohort_id, changes)
            except urllib3.exceptions.HTTPError as error:
                status, text = 0, str(error).encode()
            if status == 201:
                return
            assert not 400 <= status < 500, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    def _send(self, cohort_id: str, changes: Iterable[Change]) -> tuple[int, bytes]:
        objects = [{"user_ids": list(ids), "should_remove": remove} for ids, remove in changes]
        body = orjson.dumps({**self._keys, "cohort_id": cohort_id, "cohort_changes": objects})
        answer = self._http.request("POST", self._url, body=body, headers={"Content-Type": "application/json"})
        return answer.status, answer.data


class Pushing:
    """Works that run in a thread each. ``join`` raises what one of them raised."""

    def __init__(self, works: Iterable[Callable[[], None]]) -> None:
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(work,), daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        """Whether one of them still works."""
        return not self._errors and any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for all of them."""
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            assert not thread.is_alive(), "It waits for something."
        if self._errors:
            raise self._errors[0]

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._errors.append(error)
        finally:
            connection.close()


def at_random(draw: random.Random, ids: Sequence[str], requests: int, size: int) -> list[list[Change]]:
    """Requests that add and remove some of ``ids``; one object of a request may contradict another one."""
    return [
        [(draw.sample(ids, draw.randint(0, size)), draw.random() < 0.4) for _object in range(draw.randint(1, 3))]
        for _request in range(requests)
    ]


def wait_until_folded() -> None:
    """Until the workers have applied everything that was accepted."""
    deadline = time.monotonic() + PATIENCE
    while CohortChange.objects.exists():
        assert time.monotonic() < deadline, "It was not folded in time."
        time.sleep(0.05)


def counts_of(partner: Partner, cohort_id: str = "c1") -> dict[str, int]:
    """What the cohort's runs say, together."""
    runs = SyncRun.objects.filter(cohort=partner.cohort(cohort_id))
    totals: dict[str, int] = runs.aggregate(**{name: Sum(name) for name in COUNTS})
    return totals


def data_points(partner: Partner) -> int:
    """What was logged for the partner's workspace."""
    points = DataPoints.objects.filter(workspace=partner.integration.workspace)
    return points.aggregate(sum=Sum("count"))["sum"] or 0
