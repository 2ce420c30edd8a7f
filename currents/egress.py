"""Calls to addresses that customers give us: public https hosts only, so that nobody reaches our network through us.

A host name is resolved, each of its addresses must be public, and the connection goes to the very address that was
checked: a name that points elsewhere a moment later changes nothing. Redirects are never followed.
CURRENTS_HTTP_ALLOWED_HOSTS names hosts (``host`` or ``host:port``) that are free of both rules, for development.
"""

import ipaddress
import socket
import threading
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

#: Connections are kept open to so many receivers.
_POOLS = 32
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedAddressError(Exception):
    """The host may not be called; the message says why, for people."""


@dataclass(frozen=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"https": 443, "http": 80}


def problem_of(url: str) -> Promise | None:
    """Why a URL can never be called, for the form; None: it may be. Nothing is looked up."""
    try:
        target = _parse(url)
    except ValueError:
        return _("Enter a whole address, such as https://receiver.example.com/events.")
    if _is_allowed(target):
        return None
    if target.scheme != "https":
        return _("The address must begin with https://.")
    try:
        literal = ipaddress.ip_address(target.host)
    except ValueError:
        is_ours = target.host == "localhost" or target.host.endswith((".localhost", ".local", ".internal"))
    else:
        is_ours = not is_public(literal)
    return _("The host must be a public one: addresses of private networks are not called.") if is_ours else None


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, by itself and by what is embedded in it."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(one is not None and not is_public(one) for one in embedded):
            return False
        if address.ipv4_mapped is not None:
            return True
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_unspecified


def connect(url: str, connections: int) -> tuple[urllib3.HTTPConnectionPool, str, str]:
    """(pool, path, Host header) for a request to ``url``: the pool connects to the address that was checked.

    Raises RefusedAddressError when the host may not be called, or is not known.
    """
    try:
        target = _parse(url)
    except ValueError:
        raise RefusedAddressError("the address is not a valid URL") from None
    if _is_allowed(target):
        return _pool(target, _resolve(target)[0], connections), target.path, target.netloc
    if target.scheme != "https":
        raise RefusedAddressError(f"{target.host}: only https addresses are called")
    addresses = _resolve(target)
    if not all(is_public(one) for one in addresses):
        raise RefusedAddressError(f"{target.host}: the host has an address that is not public, and is not called")
    return _pool(target, addresses[0], connections), target.path, target.netloc


def _parse(url: str) -> _Target:
    """Raises ValueError."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in _PORTS or not host or not url.isascii() or any(one <= " " for one in url):
        raise ValueError(url)
    if parts.username is not None or parts.password is not None or parts.fragment or "%" in host or "\\" in url:
        raise ValueError(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.scheme, host.rstrip("."), parts.port or _PORTS[parts.scheme], path)


def _is_allowed(target: _Target) -> bool:
    allowed = settings.CURRENTS_HTTP_ALLOWED_HOSTS
    return target.host in allowed or f"{target.host}:{target.port}" in allowed or target.netloc in allowed


def _resolve(target: _Target) -> list[Address]:
    """All addresses of the host, those of IPv4 first."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RefusedAddressError(f"{target.host}: the host name is not known") from None
    # A scope ("%eth0") says which of our own links is meant: the address itself is what is checked.
    addresses = {ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found}
    return sorted(addresses, key=lambda one: (one.version, int(one)))


_pools: "OrderedDict[tuple[str, str, int, Address], urllib3.HTTPConnectionPool]" = OrderedDict()
_lock = threading.Lock()


def _pool(target: _Target, address: Address, connections: int) -> urllib3.HTTPConnectionPool:
    key = (target.scheme, target.host, target.port, address)
    with _lock:
        pool = _pools.pop(key, None) or _open(target, address, connections)
        _pools[key] = pool
        while len(_pools) > _POOLS:
            _pools.popitem(last=False)[1].close()
    return pool


def _open(target: _Target, address: Address, connections: int) -> urllib3.HTTPConnectionPool:
    if target.scheme == "http":
        return urllib3.HTTPConnectionPool(str(address), target.port, maxsize=connections)
    return urllib3.HTTPSConnectionPool(
        str(address), target.port, maxsize=connections, server_hostname=target.host, assert_hostname=target.host
    )
