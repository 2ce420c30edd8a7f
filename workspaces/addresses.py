"""From which addresses a REST API key is accepted. Braze: API IP allowlisting."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings


class BadRangeError(ValueError):
    """A text that is no IP address and no range; the error's text is it."""


def parse_ranges(text: str) -> list[str]:
    """The ranges of ``text`` (on lines, or with commas) in CIDR notation, each once. Raises BadRangeError."""
    ranges = []
    for part in text.replace(",", " ").split():
        try:
            ranges.append(str(ip_network(part, strict=False)))
        except ValueError:
            raise BadRangeError(part) from None
    return list(dict.fromkeys(ranges))


def client_address(meta: Mapping[str, Any]) -> str:
    """The address that a request came from, by its WSGI environment.

    Behind a proxy it is what that proxy appended to ``X-Forwarded-For``: whatever stands before it, the sender wrote.
    """
    if settings.BEHIND_PROXY:
        forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
        if forwarded:
            return forwarded
    return str(meta.get("REMOTE_ADDR", ""))


def is_allowed(address: str, ranges: Iterable[str]) -> bool:
    """Whether ``address`` lies in one of ``ranges``; with no ranges every address does."""
    networks = [ip_network(one) for one in ranges]
    if not networks:
        return True
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
