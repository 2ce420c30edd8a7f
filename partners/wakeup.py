"""Wake-up calls of which one is enough, however many requests make it. See ``workspaces/wakeup.py``."""

from contextlib import suppress
from typing import Any

from redis import RedisError

from workspaces.valkey import ask
from workspaces.wakeup import wake_up

#: A call that is not answered after so long is made once more: its message may be lost.
PENDING_SECONDS = 2


def wake_up_once(task: str, *arguments: Any) -> None:
    """As ``wake_up``, unless the same call is on its way already: many requests need one worker.

    Whoever does the work must say ``call_again`` before it looks for the last time whether there is more.
    """
    with suppress(RedisError):
        if ask(lambda client: client.set(_mark(task, arguments), b"", nx=True, ex=PENDING_SECONDS)):
            wake_up(task, *arguments)


def call_again(task: str, *arguments: Any) -> None:
    """Tell that whatever comes from now on is to be called for. Never raises."""
    # Without Valkey the mark goes by itself, after PENDING_SECONDS.
    with suppress(RedisError):
        ask(lambda client: client.delete(_mark(task, arguments)))


def _mark(task: str, arguments: tuple[Any, ...]) -> str:
    return f"brazeclone:pending:{task}:{':'.join(map(str, arguments))}"
