"""How long a segment's numbers take while one edits, and how far that is from one SQL statement.

    python -m benchmarks.segments --users 10000000

Ten cohorts with 15 % of the users each, as sets and as a row per member. The engine counts after every row; the SQL
statement over the rows counts the whole tree, and only that. Times are the server's own, without HTTP. The memory is a
web server's that was asked for the same trees. Nobody writes meanwhile.
"""

import argparse
import json
import random
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median, quantiles
from typing import Any

from benchmarks import harness, processes
from benchmarks.people import indexes_afterwards

COHORTS = 10
#: Of 1,024 users, how many are in each cohort.
SHARE = 154
PARTS = ("cohorts", "edits", "leaves", "memory")
COUNTRIES = ["JP", "US", "DE", "FR", "BR", "IN", "ES", "IT", "KR", "MX"]
#: Codes that nobody has: with one of them a filter is new without finding anybody else.
ELSEWHERE = ["AD", "AG", "AI", "AO", "AQ", "AW", "AX", "BB", "BJ", "BM", "BS", "BT", "BW", "BZ", "CC", "CD"]
UNSPOKEN = ["af", "am", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "el", "et", "eu", "fa", "fi"]

Leaf = dict[str, Any]


def main() -> None:
    """Measure and print."""
    options = _options()
    print(harness.machine())
    with harness.throw_away_servers(options.shared_buffers):
        from django.db import connection

        start = time.perf_counter()
        bench = Bench(options.users, options.rounds)
        print(f"{options.users:,} profiles made in {time.perf_counter() - start:.0f} s")
        print(f"PostgreSQL {connection.pg_version // 10_000}")
        for part in options.parts:
            getattr(bench, f"measure_{part}")()


class Bench:
    """A workspace with its people and cohorts, and what is measured over them."""

    def __init__(self, users: int, rounds: int) -> None:
        from workspaces.models import Workspace

        self.rounds = rounds
        self.draw = random.Random(5)
        self.workspace = Workspace.objects.create(name="Benchmark")
        make_people(self.workspace.pk, users)
        make_cohorts(self.workspace)

    # --- Cohorts alone -----------------------------------------------------------------------------------------------

    def measure_cohorts(self) -> None:
        """Trees of ten cohort filters: OR within rows, AND between them, an exclusion group."""
        trees = [self._cohort_tree() for _round in range(self.rounds * 8)]
        self.numbers(trees[0][0])
        before = cpu_seconds()
        ours = [seconds(partial(self.numbers, data)) for data, _sql in trees]
        say("ten cohort filters", ours, goal=30)
        print(f"  processor: {(cpu_seconds() - before) / len(trees) * 1000:.1f} ms, PostgreSQL's included")
        theirs = []
        for data, sql in trees[: self.rounds]:
            total = self.numbers(data)["total"]
            theirs.append(seconds(partial(check, sql, total)))
        say("  one SQL statement", theirs)
        print(f"  ratio {median(theirs) / median(ours):,.0f} (goal: 100)")

    def _cohort_tree(self) -> tuple[Any, tuple[str, list[Any]]]:
        order = self.draw.sample(range(COHORTS), COHORTS)
        rows = [order[0:3], order[3:6], order[6:8]]
        gone = order[8:10]
        data = tree([[cohort(one) for one in row] for row in rows], [[cohort(one)] for one in gone])
        sql = (
            " AND ".join(in_cohorts(row) for row in rows) + f" AND NOT ({' AND '.join(in_cohorts([g]) for g in gone)})"
        )
        return data, (f"workspace_id = %s AND {sql}", [self.workspace.pk])

    # --- One filter edited -------------------------------------------------------------------------------------------

    def measure_edits(self) -> None:
        """A tree of eight mixed filters, in which one after the other is edited; the others are kept sets."""
        leaves = self._mixed()
        self.numbers(tree([[leaf] for leaf, _sql, _params in leaves]))
        ours, beside, theirs = [], [], []
        for number in range(self.rounds * len(leaves)):
            place = number % len(leaves)
            leaves[place] = self._mixed(number + 1)[place]
            data = tree([[leaf] for leaf, _sql, _params in leaves])
            with leaf_seconds() as own:
                ours.append(seconds(partial(self.numbers, data)))
            beside.append(ours[-1] - sum(own))
            if number < len(leaves):
                condition = " AND ".join(f"({sql})" for _leaf, sql, _params in leaves)
                params = [self.workspace.pk, *(one for _leaf, _sql, params in leaves for one in params)]
                total = self.numbers(data)["total"]
                whole = f"workspace_id = %s AND {condition}"
                theirs.append(seconds(partial(check, (whole, params), total)))
        say("one of eight mixed filters edited", ours)
        say("  beside the cost of that filter", beside, goal=100)
        say("  one SQL statement", theirs)
        print(f"  ratio {median(theirs) / median(ours):,.1f} (goal: 5)")

    def _mixed(self, turn: int = 0) -> list[tuple[Leaf, str, list[Any]]]:
        """Eight filters with the SQL that they are; each turn's values are new."""
        pairs = [[turn % COHORTS, (turn + 1 + turn // COHORTS) % COHORTS], [(turn + 5) % COHORTS]]
        countries = [COUNTRIES[turn % len(COUNTRIES)], ELSEWHERE[turn // 8 % len(ELSEWHERE)]]
        languages = ["en", "ja", UNSPOKEN[turn // 8 % len(UNSPOKEN)]]
        days, age, points = 300 - turn, 20 + turn % 40 + turn / 1000, 100 + turn
        used = "last_used_at BETWEEN now() - %s * interval '1 day' AND now()"
        number = "custom_attributes -> %s > %s::jsonb AND jsonb_typeof(custom_attributes -> %s) = 'number'"
        return [
            ({**cohort(*pairs[0])}, in_cohorts(pairs[0]), []),
            ({**cohort(*pairs[1]), "operator": "does_not_include"}, f"NOT {in_cohorts(pairs[1])}", []),
            (leaf("country", "is_none_of", countries), "NOT country = ANY(%s)", [countries]),
            (leaf("language", "is_any_of", languages), "language = ANY(%s)", [languages]),
            (leaf("last_used_app", "less_than_days_ago", days), used, [days]),
            (
                leaf("external_user_id", "is_none_of", [f"user-{turn}"]),
                "external_id <> ALL(%s)",
                [[f"user-{turn}"]],
            ),
            (attribute("age", "more_than", age), number, ["age", repr(age), "age"]),
            (attribute("points", "more_than", points), number, ["points", repr(points), "points"]),
        ]

    # --- One cold filter ---------------------------------------------------------------------------------------------

    def measure_leaves(self) -> None:
        """A single filter that nobody has asked for before; then its estimate."""
        cold: dict[str, tuple[int, Callable[[int], Leaf]]] = {
            "indexed column, a fifth of the users": (
                300,
                lambda turn: leaf(
                    "country", "is_any_of", [COUNTRIES[turn % 9], COUNTRIES[turn % 9 + 1], ELSEWHERE[turn]]
                ),
            ),
            "column without an index": (
                1500,
                lambda turn: leaf("email_subscription_status", "is", ["opted_in", "unsubscribed"][turn % 2]),
            ),
            "custom attribute": (3500, lambda turn: attribute("points", "more_than", 500 + turn)),
        }
        for name, (goal, make) in cold.items():
            trees = [tree([[make(turn)]]) for turn in range(self.rounds)]
            before = cpu_seconds()
            say(f"cold: {name}", [seconds(partial(self.numbers, one, fresh=True)) for one in trees], goal=goal)
            print(f"  processor: {(cpu_seconds() - before) / len(trees) * 1000:.0f} ms on all cores")
        estimates, errors = [], []
        for turn in range(self.rounds):
            data = tree([[attribute("age", "more_than", 30.5 + turn / 1000)]])
            start = time.perf_counter()
            found = self.numbers(data, quick=True)
            estimates.append(time.perf_counter() - start)
            exact = self.numbers(data)["total"]
            errors.append(abs(found["total"] - exact) / exact)
        say("estimate of a cold custom attribute", estimates, goal=300)
        print(f"  off by {max(errors):.1%} at most")

    # --- Memory ------------------------------------------------------------------------------------------------------

    def measure_memory(self) -> None:
        """A web server that is asked for such trees over HTTP, a few at a time."""
        from workspaces.models import ApiKey

        key = ApiKey.make(workspace=self.workspace, name="benchmark", permissions=["segments.preview"])[1].secret
        everybody = [leaf("external_user_id", "is_not_blank", None)], [leaf("country", "is_not_blank", None)]
        with processes.started(web_workers=1, web_threads=2) as (url, web, worker):
            worker.stop()
            idle = web.peak_memory()
            for turn in range(3):
                ask(url, key, self._cohort_tree()[0])
                ask(url, key, tree([[one] for one, _sql, _params in self._mixed(200 + turn)]))
                ask(url, key, tree([*everybody, [attribute("age", "at_most", 99 + turn)]]))
            print(f"web server: {web.peak_memory() / 1e6:,.0f} MB at its peak, {idle / 1e6:,.0f} MB before (goal: 400)")

    def numbers(self, data: Any, *, fresh: bool = False, quick: bool = False) -> dict[str, Any]:
        """What the builder is answered."""
        from segments.funnels import statistics

        found = statistics(self.workspace, data, fresh=fresh, quick=quick)
        assert not found["problems"], found["problems"]
        return found


# --- Trees -----------------------------------------------------------------------------------------------------------


def leaf(key: str, operator: str, value: Any) -> Leaf:
    return {"filter": key, "operator": operator, "value": value}


def cohort(*numbers: int) -> Leaf:
    return leaf("mixpanel_cohorts", "includes", [str(one) for one in numbers])


def attribute(name: str, operator: str, value: float) -> Leaf:
    return {**leaf("custom_attribute", operator, value), "subject": {"name": name, "type": "number"}}


def tree(rows: list[list[Leaf]], gone: list[list[Leaf]] | None = None) -> dict[str, Any]:
    exclude = [{"rows": [{"filters": row} for row in gone]}] if gone else []
    return {"apps": None, "rows": [{"filters": row} for row in rows], "exclude": exclude}


def in_cohorts(numbers: list[int]) -> str:
    """The condition on ``profiles_profile`` that is the filter, over the rows of members."""
    listed = ", ".join(map(str, numbers))
    return (
        f"EXISTS (SELECT FROM benchmark_member m WHERE m.cohort IN ({listed}) AND m.profile_id = profiles_profile.id)"
    )


def count(condition: str, params: list[Any]) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM profiles_profile WHERE {condition}", params)
        return int(cursor.fetchone()[0])


# --- Measuring -------------------------------------------------------------------------------------------------------


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def check(statement: tuple[str, list[Any]], total: int) -> None:
    """The statement counts what we did; days move on meanwhile."""
    found = count(*statement)
    assert abs(found - total) <= max(5, total // 1000), (found, total)


def cpu_seconds() -> float:
    """The processor time that we and our PostgreSQL have used so far."""
    return time.process_time() + harness.postgres_cpu_seconds()


def say(what: str, took: list[float], goal: int = 0) -> None:
    tail = quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    wanted = f" (goal: {goal} ms)" if goal else ""
    print(f"{what}: median {median(took) * 1000:,.1f} ms, 95th percentile {tail * 1000:,.1f} ms{wanted}", flush=True)


@contextmanager
def leaf_seconds() -> Iterator[list[float]]:
    """The seconds that the filters' own queries take inside."""
    from segments.leaf_cache import Question

    took: list[float] = []
    made = Question.__init__

    def init(self: Question, words: Any, kinds: Any, find: Callable[..., Any]) -> None:
        def timed(context: Any) -> Any:
            start = time.perf_counter()
            try:
                return find(context)
            finally:
                took.append(time.perf_counter() - start)

        made(self, words, kinds, timed)

    Question.__init__ = init
    try:
        yield took
    finally:
        Question.__init__ = made


def ask(url: str, key: str, data: Any) -> None:
    body = json.dumps({"filters": data, "channels": True, "fresh": True}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/segments/preview", body, headers)  # noqa: S310 - an address of our making
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        assert json.load(answer)["total"] is not None


# --- The data --------------------------------------------------------------------------------------------------------


def make_people(workspace_id: int, users: int) -> None:
    """Profiles with columns and custom attributes that are as good as random; indexes are built afterwards."""
    from django.db import connection

    from profiles.models import CustomAttribute, LiveUsers
    from profiles.sets import profile_ids

    for name in ("age", "points"):
        CustomAttribute.objects.create(workspace_id=workspace_id, name=name, type="number")
    with connection.cursor() as cursor, indexes_afterwards(cursor):
        cursor.execute("SET synchronous_commit = off")
        for start in range(1, users + 1, 1_000_000):
            cursor.execute(
                """
                INSERT INTO profiles_profile (workspace_id, braze_id, external_id, random_bucket, email, country,
                    language, email_subscribe, last_used_at, custom_attributes)
                SELECT %s, lpad(to_hex(n), 24, '0'), 'user-' || lpad(n::text, 9, '0'), n %% 10000,
                    'user-' || n || '@example.com', (%s::text[])[1 + (h & 1048575) %% 10],
                    (ARRAY['en', 'ja', 'de', 'fr', 'es'])[1 + (h >> 20 & 1023) %% 5],
                    (ARRAY['subscribed', 'subscribed', 'opted_in', 'unsubscribed'])[1 + (h >> 30 & 3)],
                    now() - (h >> 32 & 511) * interval '1 day',
                    jsonb_build_object('plan', (ARRAY['free', 'silver', 'gold'])[1 + (h >> 41 & 1023) %% 3],
                        'age', 18 + (h >> 51 & 63), 'points', (h >> 10 & 1023), 'city', 'City ' || (h & 255),
                        'newsletter', (h >> 3 & 1) = 1)
                FROM (SELECT n, hashint8extended(n, 7) & 9223372036854775807 AS h
                      FROM generate_series(%s, %s) AS n) AS one
                """,
                [workspace_id, COUNTRIES, start, min(users, start + 999_999)],
            )
    LiveUsers.objects.create(workspace_id=workspace_id, members=profile_ids("workspace_id = %s", [workspace_id]))


def make_cohorts(workspace: Any) -> None:
    """The same members as sets and as rows."""
    from django.db import connection

    from partners.models import Cohort, Integration
    from profiles.sets import profile_ids

    integration = Integration.objects.create(workspace=workspace, partner_slug="mixpanel")
    belongs = "hashint8extended(id, 100 + %s) & 1023 < %s"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE benchmark_member (cohort int, profile_id bigint)")
        for number in range(COHORTS):
            members = profile_ids(belongs, [number, SHARE])
            Cohort.objects.create(
                integration=integration, cohort_id=str(number), name=f"C{number}", members=members, size=len(members)
            )
            cursor.execute(
                f"INSERT INTO benchmark_member SELECT %s, id FROM profiles_profile WHERE {belongs}",
                [number, number, SHARE],
            )
        cursor.execute("ALTER TABLE benchmark_member ADD PRIMARY KEY (cohort, profile_id)")
        cursor.execute("CREATE INDEX ON benchmark_member (profile_id, cohort)")
        cursor.execute("VACUUM ANALYZE benchmark_member")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured")
    parser.add_argument("--shared-buffers", default="1GB")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
