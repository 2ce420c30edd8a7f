"""The sandbox under uvicorn, for the command line and for tests that run it in a thread."""

import asyncio
import logging
import socket
from typing import cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger("sandbox")


class SandboxProtocol(H11Protocol):
    """uvicorn's HTTP protocol that also tells the application its transport.

    Broken connections are part of what the sandbox offers, and ASGI has no message for them.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: its requests find the transport in ``scope["state"]``."""
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class SandboxServer(uvicorn.Server):
    """uvicorn, but it tells its address, and requests that are kept waiting on purpose do not hold up its end."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say where."""
        await super().startup(sockets)
        if self.started:
            log.info("Mixpanel sandbox at http://%s:%s/", self.config.host, bound_port(self))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop misbehaving, then shut down as usual."""
        app = cast(Starlette, self.config.app)
        app.state.sandbox.misbehaviour.stopping.set()
        await super().shutdown(sockets)


def build_server(app: Starlette, host: str = "127.0.0.1", port: int = 8001) -> uvicorn.Server:
    """A server to ``run()``. It stops on SIGTERM and SIGINT, or when ``should_exit`` is set.

    Port 0 takes a free one: see :func:`bound_port`.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=SandboxProtocol,
        loop="asyncio",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    return SandboxServer(config)


def bound_port(server: uvicorn.Server) -> int:
    """The port of a started server."""
    return cast(int, server.servers[0].sockets[0].getsockname()[1])
