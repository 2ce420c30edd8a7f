"""A partner's client: requests prepared before the clock starts, sent over connections that are kept."""

import http.client
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True)
class Pusher:
    """Pushes to one integration of one installation."""

    url: str
    path: str
    partner_api_key: str
    client_secret: str

    def bodies(self, cohort_id: str, ids: Sequence[str], size: int) -> list[bytes]:
        """The requests that add ``ids``, ``size`` at a time."""
        return [self.body(cohort_id, ids[start : start + size]) for start in range(0, len(ids), size)]

    def body(self, cohort_id: str, added: Sequence[str], removed: Sequence[str] = ()) -> bytes:
        """One request that adds and removes users."""
        changes = [{"user_ids": list(added)}, {"user_ids": list(removed), "should_remove": True}]
        keys = {"partner_api_key": self.partner_api_key, "client_secret": self.client_secret}
        return orjson.dumps({**keys, "cohort_id": cohort_id, "cohort_changes": changes[: 2 if removed else 1]})

    def push(self, bodies: Sequence[bytes], clients: int = 1) -> list[float]:
        """Send all ``bodies``, each by the next client that is free; the seconds that each request took."""
        numbers, seconds, errors = itertools.count(), [0.0] * len(bodies), []

        def work() -> None:
            connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
            try:
                while (number := next(numbers)) < len(bodies) and not errors:
                    seconds[number] = self._send(connection, bodies[number])
            except Exception as error:
                errors.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _client in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return seconds

    def _send(self, connection: http.client.HTTPConnection, body: bytes) -> float:
        start = time.perf_counter()
        connection.request("POST", self.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - start
        if answer.status != 201:
            raise RuntimeError(f"{answer.status}: {text[:300]!r}")
        return took
