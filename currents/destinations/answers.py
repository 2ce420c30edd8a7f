"""What the answers of all HTTP destinations have in common."""

import time
from email.utils import parsedate_to_datetime

from currents.destinations import Answer, Reply, Verdict


def by_status(reply: Reply, message: str) -> Answer:
    """What an answer means by its status, where the destination has no meaning of its own for it."""
    if reply.status in (401, 403):
        return Answer(Verdict.UNAUTHORIZED, reply.status, message)
    if reply.status == 413:
        return Answer(Verdict.TOO_LARGE, 413, message)
    return Answer(Verdict.RETRY, reply.status, message, retry_after=retry_after(reply))


def retry_after(reply: Reply) -> float | None:
    """Seconds to wait, from a Retry-After header of either form: seconds, or a date. None: there is no such header."""
    value = next((text for name, text in reply.headers.items() if name.lower() == "retry-after"), "")
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
