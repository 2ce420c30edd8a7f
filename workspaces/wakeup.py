"""Wake-up calls to the workers. They carry no data and may be lost: beat finds all due work in the database."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis import RedisError

from workspaces.valkey import ask, leave_alone


def wake_up(task: str, *arguments: Any) -> None:
    """Send the message that starts the task of that name. Never raises, nor waits, when the broker is down."""
    call_worker(lambda: current_app.send_task(task, arguments, ignore_result=True))


def call_worker(send: Callable[[], Any]) -> None:
    """Do what sends a message, unless the broker is down: then its loss is a line in the log and no wait.

    Celery's own client takes seconds to give up, so the broker is asked for a sign of life first.
    """
    with suppress(RedisError):
        ask(lambda client: client.ping())
        try:
            send()
        except (OperationalError, OSError, RedisError) as error:
            leave_alone(error)
