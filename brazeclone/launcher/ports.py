"""TCP ports on the loopback address."""

import socket

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` now."""
    try:
        with socket.create_server((LOOPBACK, port)):
            return True
    except OSError:
        return False
