"""The permissions that a REST API key can have, one per endpoint, under Braze's names (Braze: API key permissions)."""

from typing import Final

ENDPOINTS: Final[dict[str, str]] = {
    "users.track": "POST /users/track",
    "currents.events": "POST /currents/events",
    "segments.list": "GET /segments/list",
    "segments.details": "GET /segments/details",
}
