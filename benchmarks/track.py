"""Full requests to /users/track (75 attributes, 75 events, 75 purchases) against the naive way with the ORM.

    python -m benchmarks.track

Both run in one process, on one core, on servers of their own, in turns: ours as whole requests through the web
application (key, JSON, checks, one transaction, answer), the naive way as one ``get_or_create`` and ``save`` for each
object, which writes the profile and nothing else. Half of the users of every request are new. Medians count.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import orjson

from tests.servers import temporary_servers

SIZE = 75


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=40)
    arguments.add_argument("--naive", type=int, default=5)
    options = arguments.parse_args()
    with temporary_servers("benchmark") as urls:
        os.environ.update({**urls, "DJANGO_DEBUG": "true", "LOG_LEVEL": "ERROR"})
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brazeclone.settings")
        _run(options.requests, options.naive)


def _run(requests: int, naive: int) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    # In development Django keeps every statement, and nobody listens to a test client's host name.
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SECURE_SSL_REDIRECT = False
    settings.REST_RATE_LIMITS = {"": (10_000_000, 3600)}
    call_command("migrate", verbosity=0)

    send = _client()
    for number in range(3):
        send(_request("warm", number))
    # In turns, so that whatever else the machine does meets both.
    share = max(1, requests // naive)
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(naive):
        ours += [_seconds(send, _request("ours", number * share + one)) for one in range(share)]
        theirs.append(_seconds(_naive(), _request("naive", number)))
    fast, slow = 3 * SIZE / statistics.median(ours), 3 * SIZE / statistics.median(theirs)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"/users/track, 75 + 75 + 75: {statistics.median(ours) * 1000:.1f} ms a request, {fast:,.0f} objects/s")
    print(f"naive ORM, 75 + 75 + 75: {statistics.median(theirs) * 1000:.1f} ms, {slow:,.0f} objects/s")
    print(f"ratio {fast / slow:.1f}")


def _request(prefix: str, number: int) -> dict[str, list[dict[str, Any]]]:
    """A full request; of its users, half were in the request before it."""
    users = [f"{prefix}-{number * SIZE // 2 + one}" for one in range(SIZE)]
    when = "2024-05-12T18:47:12Z"
    return {
        "attributes": [
            {"external_id": user, "first_name": "First", "country": "JP", "plan": "gold", "visits": {"inc": 1}}
            for user in users
        ],
        "events": [
            {"external_id": user, "name": f"event-{place % 10}", "time": when, "properties": {"page": place}}
            for place, user in enumerate(users)
        ],
        "purchases": [
            {"external_id": user, "product_id": f"product-{place % 10}", "currency": "USD", "price": 9.5, "time": when}
            for place, user in enumerate(users)
        ],
    }


def _seconds(work: Callable[[Any], Any], body: Any) -> float:
    before = time.perf_counter()
    work(body)
    return time.perf_counter() - before


def _client() -> Callable[[Any], None]:
    from django.test import Client

    from workspaces.models import ApiKey, Workspace

    workspace = Workspace.objects.create(name="Ours")
    _, key = ApiKey.make(workspace=workspace, name="Benchmark", permissions=["users.track"])
    client, headers = Client(), {"Authorization": f"Bearer {key.secret}"}

    def send(body: Any) -> None:
        answer = client.post("/users/track", orjson.dumps(body), content_type="application/json", headers=headers)
        assert answer.status_code == 201, answer.content

    return send


def _naive() -> Callable[[Any], None]:
    """One ``get_or_create`` and one ``save`` for each object: attributes set, events and purchases counted."""
    from profiles.models import Profile
    from workspaces.models import Workspace

    workspace, _ = Workspace.objects.get_or_create(name="Naive")

    def find(one: dict[str, Any]) -> Profile:
        return Profile.objects.get_or_create(workspace=workspace, external_id=one["external_id"])[0]

    def work(body: dict[str, list[dict[str, Any]]]) -> None:
        for one in body["attributes"]:
            profile = find(one)
            profile.first_name, profile.country = one["first_name"], one["country"]
            visits = profile.custom_attributes.get("visits", 0) + 1
            profile.custom_attributes |= {"plan": one["plan"], "visits": visits}
            profile.save()
        for kind, key in (("events", "name"), ("purchases", "product_id")):
            for one in body[kind]:
                profile = find(one)
                counts = profile.other_fields.setdefault(kind, {})
                counts[one[key]] = counts.get(one[key], 0) + 1
                profile.save()

    return work


if __name__ == "__main__":
    main()
