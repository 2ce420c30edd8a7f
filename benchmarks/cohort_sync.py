"""How long a cohort takes that comes in by requests of 1,000 ids, and whether its size slows it.

    python -m benchmarks.cohort_sync --users 1000000

A random half of the profiles is pushed in random order over real HTTP. Measured in the same run: the limit (the same
ids joined to the profiles by plain SQL), a peer (a row per member, written through the ORM), and what a request and a
fold cost at a small and at a large cohort. ``--parts`` chooses some of it.
"""

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import harness, people, processes
from benchmarks.pusher import Pusher

PER_REQUEST = 1_000
SIZES = {"10 thousand": 10_000, "1 million": 1_000_000, "10 million": 10_000_000}
PARTS = ("sync", "limit", "peer", "latency", "fold")


@dataclass
class World:
    """A workspace with its people and one partner."""

    users: int
    integration: Any
    pusher: Pusher
    web: processes.Process
    worker: processes.Process

    @property
    def workspace_id(self) -> int:
        return self.integration.workspace_id


def main() -> None:
    """Measure and print."""
    options = _options()
    print(harness.machine())
    with harness.throw_away_servers(options.shared_buffers):
        from django.db import connection

        from workspaces.models import Workspace

        workspace = Workspace.objects.create(name="Benchmark")
        start = time.perf_counter()
        people.make_people(workspace.pk, options.users)
        print(f"{options.users:,} profiles made in {time.perf_counter() - start:.0f} s")
        print(f"PostgreSQL {connection.pg_version // 10_000}")
        with processes.started(web_workers=options.web_workers) as (url, web, worker):
            world = _world(workspace, options.users, url, web, worker)
            _warm_up(world)
            chosen = random.Random(3).sample(range(1, options.users + 1), options.users // 2)
            ids = [people.external_id(number) for number in chosen]
            seconds: dict[str, float] = {}
            if "sync" in options.parts:
                seconds["sync"] = measure_sync(world, ids, options.clients)
            if "limit" in options.parts:
                seconds["limit"] = measure_limit(world, ids)
            if "peer" in options.parts:
                seconds["peer"] = measure_peer(world, ids)
            _print_ratios(seconds)
            if "latency" in options.parts:
                measure_latency(world)
            if "fold" in options.parts:
                measure_fold(world)


def measure_sync(world: World, ids: Sequence[str], clients: int) -> float:
    """Push ``ids``; the seconds from the first request until the last change is folded."""
    bodies = world.pusher.bodies("half", ids, PER_REQUEST)
    size, wal = _database_size(), _wal()
    web, worker = world.web, world.worker
    cpu = _processor(world)
    start = time.perf_counter()
    took = world.pusher.push(bodies, clients)
    accepted = time.perf_counter() - start
    _wait_until_folded()
    total = time.perf_counter() - start
    folds = _check(world, len(ids))
    print(
        f"sync: {len(ids):,} ids in {len(bodies):,} requests: {total:.1f} s until the last is folded"
        f" ({accepted:.1f} s until the last is accepted)\n"
        f"  {len(bodies) / accepted:.0f} requests/s, {len(ids) / total:,.0f} ids/s,"
        f" request median {median(took) * 1000:.1f} ms with {clients} clients\n"
        f"  peak memory of a process: web {_mb(web.peak_memory())}, worker {_mb(worker.peak_memory())}; {folds} folds\n"
        f"  processor: {', '.join(f'{name} {now - cpu[name]:.1f} s' for name, now in _processor(world).items())}\n"
        f"  database growth {_mb(_database_size() - size)}, written to its log {_mb(_wal() - wal)}"
    )
    return total


def measure_limit(world: World, ids: Sequence[str]) -> float:
    """The same ids joined by plain SQL, 1 million at a time, and stored: nothing of this kind can be faster."""
    from django.db import connection, transaction

    from profiles.sets import ProfileSet

    start = time.perf_counter()
    members = ProfileSet()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE benchmark_limit (members bytea)")
        cursor.execute("INSERT INTO benchmark_limit VALUES ('')")
        for first in range(0, len(ids), 1_000_000):
            with transaction.atomic():
                cursor.execute("CREATE TEMPORARY TABLE wanted (external_id text) ON COMMIT DROP")
                with cursor.copy("COPY wanted FROM STDIN") as copy:
                    copy.write("\n".join(ids[first : first + 1_000_000]) + "\n")
                cursor.execute("ANALYZE wanted")
                cursor.execute(
                    "SELECT string_agg(int8send(p.id), '') FROM wanted JOIN profiles_profile p"
                    " ON p.workspace_id = %s AND p.external_id = wanted.external_id",
                    [world.workspace_id],
                )
                members = members | ProfileSet.from_int8send(cursor.fetchone()[0])
                cursor.execute("UPDATE benchmark_limit SET members = %s", [members.to_bytes()])
    seconds = time.perf_counter() - start
    assert len(members) == len(ids)
    print(f"limit: {seconds:.1f} s by plain SQL")
    return seconds


def measure_peer(world: World, ids: Sequence[str]) -> float:
    """The usual way: a row per member, each request's users looked up and written through the ORM. No HTTP."""
    from django.db import connection, models

    from profiles.models import Profile

    class Member(models.Model):  # noqa: DJ008 - nobody reads it
        cohort_id = models.BigIntegerField()
        profile_id = models.BigIntegerField()

        class Meta:
            app_label = "benchmarks"
            constraints = [models.UniqueConstraint(fields=["cohort_id", "profile_id"], name="benchmark_member_once")]

    with connection.schema_editor() as editor:
        editor.create_model(Member)
    start = time.perf_counter()
    for first in range(0, len(ids), PER_REQUEST):
        named = Profile.objects.filter(
            workspace_id=world.workspace_id, external_id__in=ids[first : first + PER_REQUEST]
        ).values_list("pk", flat=True)
        Member.objects.bulk_create(
            [Member(cohort_id=1, profile_id=profile_id) for profile_id in named], ignore_conflicts=True
        )
    seconds = time.perf_counter() - start
    rows = _one("SELECT pg_total_relation_size('benchmarks_member')")
    bitmap = _one(
        "SELECT length(base_members) + length(joined_since) + length(left_since)"
        " FROM partners_cohort WHERE cohort_id = 'half' UNION ALL SELECT 0 LIMIT 1"
    )
    print(
        f"peer: {seconds:.1f} s by a row per member, without HTTP; {_mb(rows)} on disk"
        + (f" against {_mb(bitmap)}: {rows / bitmap:,.0f} times" if bitmap else "")
    )
    return seconds


def measure_latency(world: World) -> None:
    """The same requests at a small and at a large cohort, in turns, with the worker folding beside."""
    small, large = _cohort_of(world, "latency small", 10_000), _cohort_of(world, "latency large", 10_000_000)
    seconds: dict[str, list[float]] = {small.cohort_id: [], large.cohort_id: []}
    draw = random.Random(7)
    for _round in range(8):
        for cohort in (small, large):
            bodies = [world.pusher.body(cohort.cohort_id, *_some(world, draw)) for _request in range(50)]
            seconds[cohort.cohort_id] += world.pusher.push(bodies)
            _wait_until_folded()
    at_small, at_large = (median(one) * 1000 for one in seconds.values())
    print(
        f"request latency, median: {at_small:.2f} ms at 10 thousand users, {at_large:.2f} ms at 10 million:"
        f" {at_large / at_small:.2f} times"
    )


def measure_fold(world: World) -> None:
    """One fold of 1,000 changes at cohorts of three sizes, in turns."""
    from partners import changes
    from partners.folding import fold_cohort

    world.worker.stop()
    cohorts = {name: _cohort_of(world, f"fold {name}", size) for name, size in SIZES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in SIZES}
    draw = random.Random(9)
    for turn in range(22):
        for name, cohort in cohorts.items():
            added, removed = _some(world, draw)
            groups = [changes.Group("external_id", False, added), changes.Group("external_id", True, removed)]
            changes.append(cohort.pk, cohort.source, groups)
            start = time.perf_counter()
            fold_cohort(cohort.pk)
            if turn > 1:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: median(found) * 1000 for name, found in seconds.items()}
    print("fold of 1,000 changes, median: " + ", ".join(f"{ms:.1f} ms at {name}" for name, ms in medians.items()))
    print(f"  10 million against 10 thousand: {medians['10 million'] / medians['10 thousand']:.2f} times")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000, help="profiles; half of them are pushed")
    parser.add_argument("--clients", type=int, default=8, help="connections that push at once")
    parser.add_argument("--web-workers", type=int, default=2)
    parser.add_argument("--shared-buffers", default="1GB")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args()


def _world(workspace: Any, users: int, url: str, web: processes.Process, worker: processes.Process) -> World:
    from partners.models import DataImportKey, Integration

    integration = Integration.objects.create(workspace=workspace, partner_slug="mixpanel")
    client_secret = DataImportKey.make(integration=integration)[1].secret
    partner_key = integration.make_partner_key().secret
    pusher = Pusher(url, "/partners/mixpanel/cohorts/users", partner_key, client_secret)
    return World(users, integration, pusher, web, worker)


def _warm_up(world: World) -> None:
    """Every process has imported what it needs and has its connections."""
    draw = random.Random(1)
    world.pusher.push([world.pusher.body("warm up", *_some(world, draw)) for _request in range(64)], clients=8)
    _wait_until_folded()


def _cohort_of(world: World, name: str, size: int) -> Any:
    """A cohort of ``size`` random ids among twice as many, put there directly."""
    import numpy as np

    from partners.models import Cohort
    from profiles.sets import ProfileSet

    ids = np.random.default_rng(size).choice(2 * max(size, world.users), size, replace=False) + 1
    return Cohort.objects.create(
        integration=world.integration, cohort_id=name, name=name, members=ProfileSet(ids), size=size
    )


def _some(world: World, draw: random.Random) -> tuple[list[str], list[str]]:
    """500 users to add and 500 to remove."""
    ids = [people.external_id(number) for number in draw.sample(range(1, world.users + 1), PER_REQUEST)]
    return ids[:500], ids[500:]


def _check(world: World, expected: int) -> int:
    """Everybody is a member, and was counted once; how many folds it took."""
    from partners.models import Cohort, SyncRun

    cohort = Cohort.objects.get(integration=world.integration, cohort_id="half")
    assert (len(cohort.members), cohort.size) == (expected, expected)
    assert sum(SyncRun.objects.filter(cohort=cohort).values_list("added", flat=True)) == expected
    return cohort.version


def _processor(world: World) -> dict[str, float]:
    """The processor time that each has used so far."""
    return {
        "web": world.web.cpu_seconds(),
        "worker": world.worker.cpu_seconds(),
        "PostgreSQL": harness.postgres_cpu_seconds(),
        "client": time.process_time(),
    }


def _wait_until_folded() -> None:
    while _one("SELECT EXISTS (SELECT FROM partners_cohortchange)"):
        time.sleep(0.02)


def _database_size() -> int:
    return _one("SELECT pg_database_size(current_database())")


def _wal() -> int:
    return int(_one("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))


def _one(query: str) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def _mb(number: float) -> str:
    return f"{number / 1e6:,.1f} MB"


def _print_ratios(seconds: dict[str, float]) -> None:
    if "sync" in seconds and "limit" in seconds:
        print(f"sync against the limit: {seconds['sync'] / seconds['limit']:.2f} times")
    if "sync" in seconds and "peer" in seconds:
        print(f"peer against the sync: {seconds['peer'] / seconds['sync']:.2f} times the time")


if __name__ == "__main__":
    main()
