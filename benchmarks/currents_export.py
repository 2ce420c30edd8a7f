"""How fast stored events leave for Mixpanel, beside a bare loop over the same rows and the official Python library.

    python -m benchmarks.currents_export                          1,000,000 events, every measurement
    python -m benchmarks.currents_export --events 50000 --rounds 1
    python -m benchmarks.currents_export --backlogs 50000 5000000 the rate and the memory at each size

Everything runs here: PostgreSQL, the workers and the sink share the cores, so the ratios mean more than the figures.
The bare loop reads, decodes, encodes, compresses and sends the same rows, and keeps no account of anything; the second
bare loop builds its events as the worker does (it splices bytes), so it shows what the bookkeeping alone costs. Start
and warm-up of a process are not measured: workers run for long.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks import harness
from benchmarks.sink import Counts, Sink

LATENCY = 0.1
#: The library is so much slower that fewer events tell as much.
LIBRARY_EVENTS = {0.0: 20_000, LATENCY: 1_000}


@dataclass
class Result:
    """One measurement: events a second, CPU seconds for a million events of each who took part, and what was sent."""

    rate: float
    cpu: dict[str, float] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    stages: dict[str, float] = field(default_factory=dict)
    memory: float = 0.0


class Bench:
    """The servers are up, the log is full: runs one program after another over it."""

    def __init__(self, sink: Sink, current_id: int, events: int) -> None:
        self.sink = sink
        self.current_id = current_id
        self.events = events

    def run(self, program: str, *, workers: int = 1, delay: float = 0.0, events: int | None = None) -> Result:
        """Run ``workers`` processes of one of ``benchmarks.export_programs`` side by side until all is sent."""
        from benchmarks.stored_events import rewind
        from currents.models import Current

        rewind(Current.objects.get(pk=self.current_id))
        self.sink.set_delay(delay)
        self.sink.counts()
        number = self.events if events is None else events
        processes = [self._start(program, number) for _worker in range(workers)]
        for one in processes:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
        before = _cpu_of_others(self.sink)
        started = time.monotonic()
        for one in processes:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
            one.stdin.flush()
        told = [orjson.loads(one.communicate()[0]) for one in processes]
        seconds = max(one["ended"] for one in told) - started
        assert sum(one["events"] for one in told) == number, told
        cpu = {name: (after - before[name]) for name, after in _cpu_of_others(self.sink).items()}
        cpu["worker"] = sum(one["cpu"] for one in told)
        return Result(
            number / seconds,
            {name: one / number * 1e6 for name, one in cpu.items()},
            self.sink.counts(),
            {name: sum(one["stages"].get(name, 0.0) for one in told) / number * 1e6 for name in told[0]["stages"]},
            max(one["memory"] for one in told),
        )

    def _start(self, program: str, events: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.export_programs", program, str(self.current_id), str(events)],
            env={**os.environ, "MIXPANEL_SANDBOX_URL": self.sink.url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )


def _cpu_of_others(sink: Sink) -> dict[str, float]:
    """CPU seconds so far of the sink and of PostgreSQL, all its processes together."""
    return {"sink": harness.cpu_seconds(sink.pid), "postgres": harness.postgres_cpu_seconds()}


def measure(bench: Bench, rounds: int, programs: Sequence[tuple[str, str, dict[str, Any]]]) -> dict[str, list[Result]]:
    """Every program in turn, ``rounds`` times: what else goes on in the machine meets all of them alike."""
    found: dict[str, list[Result]] = {}
    for _round in range(rounds):
        for label, program, options in programs:
            result = bench.run(program, **options)
            found.setdefault(label, []).append(result)
            print(f"  {label:<28}{result.rate:>10,.0f} events/s", flush=True)
    return found


PROGRAMS: list[tuple[str, str, dict[str, Any]]] = [
    ("bare loop", "bare", {}),
    ("bare loop, splicing", "bare_splicing", {}),
    ("one worker", "worker", {}),
    ("one worker, 100 ms", "worker", {"delay": LATENCY}),
    ("two workers", "worker", {"workers": 2}),
    ("library", "library", {"events": LIBRARY_EVENTS[0.0]}),
    ("library, 100 ms", "library", {"events": LIBRARY_EVENTS[LATENCY], "delay": LATENCY}),
]
#: What the figures are held against: label, by what, of what, goal.
RATIOS = [
    ("one worker / bare loop", "one worker", "bare loop", 0.75),
    ("one worker / bare loop, splicing", "one worker", "bare loop, splicing", 0.75),
    ("100 ms / loopback", "one worker, 100 ms", "one worker", 0.85),
    ("two workers / one", "two workers", "one worker", 1.5),
    ("one worker / library", "one worker", "library", 3),
    ("one worker / library, 100 ms", "one worker, 100 ms", "library, 100 ms", 80),
]


def report(found: dict[str, list[Result]]) -> None:
    """The medians, and the ratios within each round."""
    print(f"\n{'':<28}{'events/s':>10}  {'CPU s per million events':<44}{'in flight':>9}{'MB':>6}")
    for label, results in found.items():
        middle = sorted(results, key=lambda one: one.rate)[len(results) // 2]
        cpu = ", ".join(f"{name} {value:.1f}" for name, value in sorted(middle.cpu.items()))
        rate = statistics.median(one.rate for one in results)
        print(f"{label:<28}{rate:>10,.0f}  {cpu:<44}{middle.counts.most_in_flight:>9}{middle.memory:>6.0f}")
    for label in ("one worker", "one worker, 100 ms"):
        if label in found:
            stages = sorted(found[label], key=lambda one: one.rate)[len(found[label]) // 2].stages
            print(f"\n{label}, CPU s per million events by stage:")
            print(", ".join(f"{name} {value:.1f}" for name, value in stages.items()))
    print()
    for label, above, below, goal in RATIOS:
        if above in found and below in found:
            pairs = zip(found[above], found[below], strict=True)
            ratio = statistics.median(one.rate / other.rate for one, other in pairs)
            by_cpu = _cost(found[below]) / _cost(found[above])
            print(f"{label:<36}{ratio:>8.2f}   (goal {goal}), by CPU time {by_cpu:.2f}")


def _cost(results: list[Result]) -> float:
    """CPU seconds of the program and of PostgreSQL for a million events: hardly anything else in the machine shows."""
    return statistics.median(one.cpu["worker"] + one.cpu["postgres"] for one in results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backlogs", type=int, nargs="*", default=[])
    parser.add_argument("--only", nargs="*", help="labels of the measurements")
    options = parser.parse_args()
    print(harness.machine())
    with harness.throw_away_servers(), Sink() as sink:
        from benchmarks.stored_events import empty, fill, make_current
        from workspaces.models import Workspace

        workspace = Workspace.objects.create(name="Benchmark")
        current = make_current(workspace)
        if options.backlogs:
            for size in options.backlogs:
                empty()
                fill(workspace, size)
                print(f"backlog of {size:,}:")
                report(measure(Bench(sink, current.pk, size), options.rounds, [("one worker", "worker", {})]))
            return
        fill(workspace, options.events)
        chosen = [one for one in PROGRAMS if not options.only or one[0] in options.only]
        report(measure(Bench(sink, current.pk, options.events), options.rounds, chosen))


if __name__ == "__main__":
    main()
