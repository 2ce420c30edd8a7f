"""A bare HTTP server that takes everything and answers as Mixpanel does, at as little cost as can be.

    with Sink() as sink:
        sink.set_delay(0.1)
        ... POST to sink.url ...
        sink.counts()

``GET /delay/<milliseconds>`` sets how long it waits before every answer; ``GET /counts`` tells and resets its counts.
"""

import asyncio
import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from typing import Any

from brazeclone.launcher import ports

#: Says "done" to our own client and to the official library alike.
_DONE = b'{"code": 200, "num_records_imported": 0, "status": 1}'


@dataclass
class Counts:
    """Since they were last asked for."""

    requests: int = 0
    bytes: int = 0
    most_in_flight: int = 0


class Sink:
    """The server as a process of its own."""

    def __enter__(self) -> "Sink":
        port = ports.free_port()
        self.url = f"http://{ports.LOOPBACK}:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sink", str(port)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def set_delay(self, seconds: float) -> None:
        """Wait so long before every answer."""
        self._get(f"/delay/{seconds * 1000:.0f}")

    def counts(self) -> Counts:
        """What came in since the last call."""
        return Counts(**json.loads(self._get("/counts")))

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 - an address of ours
            body: bytes = answer.read()
            return body


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, requests one after another; bodies are counted and dropped."""

    delay = 0.0
    counts = Counts()
    in_flight = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.head = b""
        self.missing = -1

    def data_received(self, data: bytes) -> None:
        if self.missing < 0:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data, self.head = self.head[:end], self.head[end + 4 :], b""
            self.path = head.split(b" ", 2)[1].decode()
            self.missing = self._length(head)
            self._begin()
        self.missing -= len(data)
        if self.missing == 0:
            self.missing = -1
            asyncio.get_running_loop().call_later(self._wait(), self._answer, self.path)

    @staticmethod
    def _length(head: bytes) -> int:
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return int(line[15:])
        return 0

    def _begin(self) -> None:
        if self._is_measured(self.path):
            cls = _Connection
            cls.in_flight += 1
            cls.counts.requests += 1
            cls.counts.bytes += self.missing
            cls.counts.most_in_flight = max(cls.counts.most_in_flight, cls.in_flight)

    def _wait(self) -> float:
        return _Connection.delay if self._is_measured(self.path) else 0.0

    @staticmethod
    def _is_measured(path: str) -> bool:
        return not path.startswith(("/delay/", "/counts"))

    def _answer(self, path: str) -> None:
        body = _DONE
        if path == "/counts":
            body, _Connection.counts = json.dumps(vars(_Connection.counts)).encode(), Counts()
        elif path.startswith("/delay/"):
            _Connection.delay = float(path.rpartition("/")[2]) / 1000
        else:
            _Connection.in_flight -= 1
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, ports.LOOPBACK, port)
    print("ready", flush=True)
    # The pipe ends with whoever started us, however it ended.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
