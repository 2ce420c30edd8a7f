"""Being a bad Mixpanel on demand, so that clients can be tested against refusals, silence and lies."""

import asyncio
import itertools
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.traffic import IMPORT, QUERY_PREFIXES, family
from sandbox.web import json_response, reason

STATUSES = ("429", "500", "502", "503", "401", "403", "413", "400")
KINDS = (*STATUSES, "timeout", "slow", "reset", "truncated", "garbage")
PATHS = (IMPORT, QUERY_PREFIXES[0])

DEFAULT_DELAYS = {"timeout": 60.0, "slow": 2.0}

_MESSAGES = {
    "429": "Project exceeded rate limits. Please retry the request with exponential backoff.",
    "401": "Invalid credentials",
    "403": "Forbidden",
    "413": "request exceeds max limit of 0 bytes",
    "400": "Bad request",
}

_ids = itertools.count(1)


@dataclass
class Rule:
    """One way to misbehave: how, how often, where. ``times`` None means until it is taken back.

    ``ingest_first`` handles the request properly before the bad answer, as when an acknowledgement is lost.
    """

    kind: str
    times: int | None = None
    probability: float = 1.0
    delay: float | None = None
    retry_after: int | None = None
    path: str | None = None
    ingest_first: bool = False
    id: int = field(default_factory=lambda: next(_ids))
    hits: int = 0

    @property
    def seconds(self) -> float:
        """How long to wait before the answer, or before giving none."""
        return DEFAULT_DELAYS.get(self.kind, 0.0) if self.delay is None else self.delay

    @property
    def is_spent(self) -> bool:
        """Whether it has applied as often as it was told to."""
        return self.times is not None and self.hits >= self.times

    def as_json(self) -> dict[str, Any]:
        """For the control API."""
        return asdict(self)


class Misbehaviour:
    """The rules in force. For a request the first one that fits is applied."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.stopping = asyncio.Event()
        """Set at shutdown: nobody waits any longer."""

    def add(self, rule: Rule) -> Rule:
        """Put a rule behind those in force."""
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Behave well again."""
        self.rules.clear()

    def choose(self, kind: str) -> Rule | None:
        """The rule for a request to ``/import`` or ``/api/query``, counted as applied; None: behave."""
        for rule in self.rules:
            fits = rule.path in {None, kind} and not rule.is_spent
            if fits and (rule.probability >= 1 or random.random() < rule.probability):  # noqa: S311 (not a secret)
                rule.hits += 1
                return rule
        return None


class MisbehaviourMiddleware:
    """Applies the rules in front of Mixpanel's APIs; the sandbox's own paths are never touched."""

    def __init__(self, app: ASGIApp, misbehaviour: Misbehaviour) -> None:
        self.app = app
        self.misbehaviour = misbehaviour

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = family(scope["path"]) if scope["type"] == "http" else None
        rule = self.misbehaviour.choose(kind) if kind else None
        if rule is None:
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["note"] = f"(misbehaving: {rule.kind})"
        await self._apply(rule, scope, receive, send)

    async def _apply(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        if rule.kind == "slow" and not rule.ingest_first:
            await self._wait(rule.seconds)
            await self.app(scope, receive, send)
            return
        answer = _Recorder()
        if rule.ingest_first or rule.kind == "slow":
            await self.app(scope, receive, answer)
        else:
            await _drain(scope, receive)
        await self._wait(rule.seconds, receive if rule.kind == "timeout" else None)
        if rule.kind == "slow":
            await answer.replay(send)
        else:
            await _ANSWERS.get(rule.kind, _refuse)(rule, scope, receive, send)

    async def _wait(self, seconds: float, receive: Receive | None = None) -> None:
        """Wait, but not past the shutdown, nor past the client's leaving if ``receive`` is given."""
        ends: list[asyncio.Task[Any]] = [asyncio.create_task(self.misbehaviour.stopping.wait())]
        if receive:
            ends.append(asyncio.create_task(_gone(receive)))
        try:
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()


class _Recorder:
    """Keeps an answer instead of sending it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    async def replay(self, send: Send) -> None:
        for message in self.messages:
            await send(message)


async def _drain(scope: Scope, receive: Receive) -> None:
    # Unread bytes would make the client's kernel report a reset instead of the answer.
    async for _chunk in Request(scope, receive).stream():
        pass


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
    status = int(rule.kind)
    message = _MESSAGES.get(rule.kind, "The sandbox was told to fail.")
    body = {"code": status, "error": message, "status": reason(status)}
    headers = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
    await json_response(body, status, headers)(scope, receive, send)


async def _garbage(rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'\x00\xff{"code": 200, <html>this is no JSON'})


async def _truncate(rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
    """Promise more bytes than are sent, then close."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"code": 200, "num_rec', "more_body": True})
    _transport(scope).close()
    await _gone(receive)


async def _reset(rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
    """Break the connection without an answer: the client sees a TCP reset."""
    transport = _transport(scope)
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    transport.abort()
    await _gone(receive)


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope["state"].get("transport")
    if transport is None:
        raise RuntimeError("This misbehaviour needs the sandbox's own server: see sandbox/server.py.")
    return transport  # type: ignore[no-any-return]


_ANSWERS: dict[str, Callable[[Rule, Scope, Receive, Send], Awaitable[None]]] = {
    "timeout": _reset,
    "reset": _reset,
    "truncated": _truncate,
    "garbage": _garbage,
}
