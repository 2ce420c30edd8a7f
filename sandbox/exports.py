"""Exporting cohorts to Braze, once or again and again, and knowing what arrived.

Mixpanel: Syncing cohorts to a custom webhook ("Full Sync", "Diffing", "Failed Syncs"); the same manners
are used for the partner API.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import orjson
import urllib3

from sandbox import clock
from sandbox.config import Settings
from sandbox.i18n import Message
from sandbox.i18n import gettext_noop as _
from sandbox.models import Cohort, Connection, Export, Properties, SyncResult
from sandbox.shapes import Plan, Push, keyed_members, pushes
from sandbox.store import Store

log = logging.getLogger("sandbox")

T = TypeVar("T")

RETRIES = 5
PAUSING = frozenset({400, 401, 403, 404})
"""Answers that no repetition can mend: the sync is paused until somebody acts."""

TICK_SECONDS = 0.1


class PushError(Exception):
    """The destination did not take a request. ``status`` is None when there was no answer at all."""

    def __init__(self, message: Message, status: int | None = None) -> None:
        super().__init__(str(message))
        self.message = message
        self.status = status

    @property
    def is_transient(self) -> bool:
        """Whether Mixpanel repeats the request: 429, 5xx and broken connections."""
        return self.status is None or self.status == 429 or self.status >= 500


class Exporter:
    """Runs the syncs. One cohort has one sync at a time; cohorts do not wait for each other."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(settings.push_timeout))

    async def run(self) -> None:
        """Start the dynamic syncs when they are due, until cancelled."""
        try:
            while True:
                self._start_due()
                await asyncio.sleep(TICK_SECONDS)
        finally:
            for task in self._tasks.values():
                task.cancel()

    def _start_due(self) -> None:
        now = clock.now()
        for cohort_id, export in list(self._store.exports.items()):
            # A one-time export that is active without running was cut off by a restart.
            due = not export.is_dynamic or export.next_sync is None or export.next_sync <= now
            if export.status == "active" and due and not export.running:
                self.start(cohort_id)

    def begin(self, cohort_id: int, kind: str, every: float) -> Export:
        """Export a cohort: ``one_time``, or ``dynamic`` every so many seconds. Starts the first sync.

        What the same destination has acknowledged before is remembered.
        """
        export = self._store.exports.get(cohort_id) or Export(kind, every)
        export.type, export.every, export.status = kind, every, "active"
        # The first sync of an export is a full one, and tells the name again.
        export.named = export.snapshot = None
        self._store.save_export(cohort_id, export)
        self.start(cohort_id)
        return export

    def stop(self, cohort_id: int) -> Export:
        """End an export; a request under way may still arrive."""
        export = self._store.exports[cohort_id]
        export.status = "stopped"
        self.forget(cohort_id)
        self._store.save_export(cohort_id, export)
        return export

    def forget(self, cohort_id: int) -> None:
        """Cancel the sync that runs for a cohort, if any."""
        task = self._tasks.pop(cohort_id, None)
        if task:
            task.cancel()

    def resume(self, cohort_id: int) -> None:
        """Sync now; a paused or failed export becomes active again."""
        export = self._store.exports[cohort_id]
        if not export.running:
            export.status = "active"
            self._store.save_export(cohort_id, export)
            self.start(cohort_id)

    def start(self, cohort_id: int) -> None:
        """Start a sync, unless one runs for this cohort."""
        export = self._store.exports[cohort_id]
        if export.running:
            return
        export.running = True
        export.next_sync = clock.now() + timedelta(seconds=export.every)
        self._tasks[cohort_id] = asyncio.create_task(self._sync(cohort_id, export))

    async def wait(self, cohort_id: int) -> None:
        """Return when the sync that runs for a cohort has ended."""
        task = self._tasks.get(cohort_id)
        if task:
            await asyncio.wait([task])

    async def _sync(self, cohort_id: int, export: Export) -> None:
        cohort, connection = self._store.cohorts[cohort_id], self._store.connection
        result = export.last = SyncResult()
        try:
            if connection is None:
                raise PushError(Message(_("The connection to Braze is not set up.")), 400)
            await self._push_all(cohort, connection, export, result)
            result.ok = True
            export.snapshot = clock.now()
            export.status = export.status if export.is_dynamic else "done"
        except PushError as error:
            result.ok, result.error, result.status_code = False, error.message, error.status
            if not export.is_dynamic:
                export.status = "failed"
            elif error.status in PAUSING:
                export.status = "paused"
        finally:
            self._finish(cohort_id, export, result)

    def _finish(self, cohort_id: int, export: Export, result: SyncResult) -> None:
        export.running = False
        result.finished = clock.now()
        if self._tasks.get(cohort_id) is asyncio.current_task():
            del self._tasks[cohort_id]
        if self._store.exports.get(cohort_id) is export:
            self._store.save_export(cohort_id, export)
        outcome = {True: "done", False: f"failed: {result.error}", None: "stopped"}[result.ok]
        log.info(
            "export of cohort %s %s (%s requests, %s added, %s removed)",
            cohort_id, outcome, result.requests, result.added, result.removed,
        )  # fmt: skip

    async def _push_all(self, cohort: Cohort, connection: Connection, export: Export, result: SyncResult) -> None:
        self._forget_other_destination(cohort.id, connection, export)
        plan = self._plan(cohort, connection, export)
        result.full = plan.full
        for push in pushes(plan, connection, self._settings.project_id):
            result.status_code = await self._deliver(push, result)
            self._acknowledge(cohort.id, export, push, plan, result)
        if connection.via == "webhook" and plan.full:
            self._store.reset_pushed(cohort.id, dict(plan.wanted))

    def _forget_other_destination(self, cohort_id: int, connection: Connection, export: Export) -> None:
        if export.destination != connection.destination:
            export.destination = connection.destination
            export.named = export.snapshot = None
            self._store.save_export(cohort_id, export)
            self._store.reset_pushed(cohort_id, {})

    def _plan(self, cohort: Cohort, connection: Connection, export: Export) -> Plan:
        wanted = keyed_members(cohort, connection.via)
        oldest = clock.now() - timedelta(days=self._settings.snapshot_days)
        full = export.snapshot is None or export.snapshot < oldest
        known: dict[str, Properties] = {} if full else export.pushed
        return Plan(
            cohort=cohort,
            wanted=wanted,
            added={key: member for key, member in wanted.items() if key not in known},
            removed={key: member for key, member in export.pushed.items() if key not in wanted},
            full=full,
            tell_name=export.named != cohort.name,
        )

    def _acknowledge(self, cohort_id: int, export: Export, push: Push, plan: Plan, result: SyncResult) -> None:
        result.added += len(push.added)
        result.removed += len(push.removed)
        if push.name is not None:
            export.named = push.name
        if not push.replaces and (push.added or push.removed):
            self._store.change_pushed(cohort_id, dict(push.added), push.removed)

    async def _deliver(self, push: Push, result: SyncResult) -> int:
        """Send one request, repeated up to five times. Returns the status; raises PushError."""
        for attempt in range(RETRIES + 1):
            result.requests += 1
            try:
                return await _in_daemon_thread(lambda: self._send(push))
            except PushError as error:
                if attempt == RETRIES or not error.is_transient:
                    raise
            await asyncio.sleep(self._settings.push_backoff * 2**attempt)
        raise AssertionError("unreachable")

    def _send(self, push: Push) -> int:
        try:
            response = self._http.request(
                "POST", push.url, body=push.body, redirect=False,
                headers={**push.headers, "User-Agent": "mixpanel-sandbox"},
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            problem = _("No answer from the destination (%(problem)s).")
            raise PushError(Message(problem, {"problem": type(error).__name__})) from None
        if not 200 <= response.status < 300:
            raise PushError(_refusal(response.status, _explanation(response.data)), response.status)
        if push.action:
            _check_webhook_answer(push.action, response.data)
        return response.status


def _check_webhook_answer(action: str, body: bytes) -> None:
    """Mixpanel expects ``{"action": <same>, "status": "success"}``."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict) or answer.get("action") != action or answer.get("status") != "success":
        expected = f'{{"action": "{action}", "status": "success"}}'
        problem = _("The webhook answered 200, but its body must be %(expected)s, not: %(body)s")
        shown = body[:200].decode(errors="replace")
        raise PushError(Message(problem, {"expected": expected, "body": shown}), 400)


def _refusal(status: int, explanation: str) -> Message:
    if not explanation:
        return Message(_("The destination answered %(status)s."), {"status": status})
    return Message(
        _("The destination answered %(status)s: %(explanation)s"),
        {"status": status, "explanation": explanation},
    )


def _explanation(body: bytes) -> str:
    """The destination's own words: Braze's ``message``, or the webhook's ``error.message``."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    error = answer.get("error") if isinstance(answer, dict) else None
    words = error.get("message") if isinstance(error, dict) else None
    words = words or (answer.get("message") if isinstance(answer, dict) else None)
    return str(words)[:500] if words else ""


async def _in_daemon_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a thread that a slow destination cannot use to delay the exit of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = work()
        except Exception as caught:
            error = caught
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await future
