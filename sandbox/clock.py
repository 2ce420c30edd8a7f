"""Times as the sandbox stores and shows them: UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment in UTC, to the millisecond."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 with a Z, as Braze's and Mixpanel's examples have it; None stays None."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def parse_iso(text: str | None) -> datetime | None:
    """The reverse of :func:`iso`."""
    return datetime.fromisoformat(text) if text else None
