"""Customers' addresses: public https hosts only, the address that was checked is the one that is called."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from currents import egress
from currents.destinations import Reply, Request
from currents.egress import RefusedAddressError, connect, is_public, problem_of
from currents.sending import send

HOST = "receiver.example.com"


class Receiver:
    """An https server on loopback that answers 200, or with what it was told."""

    def __init__(self, certificate: Path) -> None:
        outer = self
        self.hosts: list[str] = []
        self.answer: tuple[int, dict[str, str]] = (200, {})

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.hosts.append(self.headers["Host"])
                status, headers = outer.answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _certificate(folder: Path, host: str) -> Path:
    """A certificate for ``host`` that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return file


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """An https server whose certificate, for HOST, is trusted here."""
    certificate = _certificate(tmp_path, HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    running = Receiver(certificate)
    yield running
    running.stop()
    egress._pools.clear()


Resolver = Callable[..., list[str]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Sets what every name resolves to, for each look-up anew; returns which names were looked up."""
    asked: list[str] = []
    lookup = socket.getaddrinfo

    def resolve(*answers: list[str]) -> list[str]:
        waiting = list(answers)

        def fake(host: str, port: int, *rest: Any, **more: Any) -> Any:
            if host.replace(".", "").isdecimal():  # urllib3 asks for the address that it was given
                return lookup(host, port, *rest, **more)
            asked.append(host)
            found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, port)) for one in found]

        monkeypatch.setattr(socket, "getaddrinfo", fake)
        return asked

    return resolve


def _send(url: str) -> Reply:
    return send(Request(url, b"{}", {"Authorization": "Bearer secret"}, public_only=True))


def _loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "is_public", lambda address: address == ipaddress.ip_address("127.0.0.1"))


def test_it_works(receiver: Receiver, resolver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is checked for the host's name, though the connection goes to its address."""
    _loopback_is_public(monkeypatch)
    asked = resolver(["127.0.0.1"])

    assert _send(f"https://{HOST}:{receiver.port}/events?x=1").status == 200
    assert receiver.hosts == [f"{HOST}:{receiver.port}"]
    assert asked == [HOST]


def test_a_name_that_changes_after_the_check_is_not_followed(
    receiver: Receiver, resolver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look-up, that of a client which resolves by itself, would lead elsewhere."""
    _loopback_is_public(monkeypatch)
    asked = resolver(["127.0.0.1"], ["10.0.0.1"])

    assert _send(f"https://{HOST}:{receiver.port}/").status == 200
    assert asked == [HOST]
    assert "not public" in _send(f"https://{HOST}:{receiver.port}/").error
    assert len(receiver.hosts) == 1


def test_a_certificate_of_another_host_is_refused(
    receiver: Receiver, resolver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _loopback_is_public(monkeypatch)
    resolver(["127.0.0.1"])

    assert _send(f"https://other.example.com:{receiver.port}/").status == 0
    assert receiver.hosts == []


def test_redirects_are_not_followed(receiver: Receiver, resolver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _loopback_is_public(monkeypatch)
    resolver(["127.0.0.1"])
    receiver.answer = (302, {"Location": f"https://{HOST}:{receiver.port}/elsewhere"})

    assert _send(f"https://{HOST}:{receiver.port}/").status == 302
    assert len(receiver.hosts) == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["172.16.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],  # noqa: S104
        ["224.0.0.1"],
        ["::1"],
        ["fe80::1"],
        ["fe80::1%1"],
        ["fd00::1"],
        ["fec0::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::"],
        ["::"],
        ["93.184.215.14", "10.0.0.1"],
    ],
)
def test_an_address_that_is_not_public_is_refused(resolver: Any, addresses: list[str]) -> None:
    resolver(addresses)
    with pytest.raises(RefusedAddressError, match="not public"):
        connect("https://receiver.example.com/", 1)
    assert "secret" not in _send("https://receiver.example.com/").error


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_ipv4_comes_first(resolver: Any) -> None:
    resolver(["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "93.184.215.14"])
    pool, path, host = connect("https://receiver.example.com/a?b=c", 3)
    assert (pool.host, pool.port, path, host) == ("93.184.215.14", 443, "/a?b=c", "receiver.example.com")
    assert connect("https://receiver.example.com/", 3)[0] is pool


def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: Any, **_more: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    assert _send("https://nowhere.example.com/") == Reply(0, error="nowhere.example.com: the host name is not known")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://receiver.example.com/events", None),
        ("https://receiver.example.com:8443/a?b=c", None),
        ("https://93.184.215.14/", None),
        ("http://receiver.example.com/", "https://"),
        ("ftp://receiver.example.com/", "whole address"),
        ("receiver.example.com/events", "whole address"),
        ("https:///events", "whole address"),
        ("https://user:pass@receiver.example.com/", "whole address"),
        ("https://receiver.example.com/#part", "whole address"),
        ("https://receiver.example.com:99999/", "whole address"),
        ("https://receiver.example.com/\r\nX-Injected: 1", "whole address"),
        ("https://receiver.example.com\\@10.0.0.1/", "whole address"),
        ("https://[not-an-address]/", "whole address"),
        ("https://例え.example.com/", "whole address"),
        ("https://localhost/", "public"),
        ("https://127.0.0.1/", "public"),
        ("https://[::1]/", "public"),
        ("https://169.254.169.254/latest/meta-data", "public"),
        ("https://host.internal/", "public"),
    ],
)
def test_what_the_form_says(url: str, words: str | None) -> None:
    problem = problem_of(url)
    assert (problem is None) if words is None else (words in str(problem))


def test_the_allow_list_is_for_development(settings: Any, resolver: Any) -> None:
    settings.CURRENTS_HTTP_ALLOWED_HOSTS = ["127.0.0.1:9000", "receiver"]
    resolver(["10.0.0.1"])

    assert problem_of("http://127.0.0.1:9000/") is None
    assert problem_of("http://127.0.0.1:9001/") is not None
    assert connect("http://127.0.0.1:9000/", 1)[0].scheme == "http"
    assert connect("https://receiver/", 1)[0].host == "10.0.0.1"
    with pytest.raises(RefusedAddressError, match="only https"):
        connect("http://127.0.0.1:9001/", 1)
