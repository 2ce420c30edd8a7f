"""Column types and database functions of the event log."""

from typing import Any

import orjson
from django.db import models


class CurrentTransaction(models.Func):
    """The id of the writing transaction as a bigint: readers of the log order by it and compare it with the horizon."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()
    arity = 0


class StatementTime(models.Func):
    """When the writing statement began. Not ``now()``: a transaction may have begun long before it writes."""

    template = "statement_timestamp()"
    output_field = models.DateTimeField()
    arity = 0


class JsonTextField(models.JSONField):
    """A ``json`` column: kept as written, and cheaper to write than ``jsonb``; nothing here queries inside."""

    def db_type(self, connection: Any) -> str:
        return "json"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """psycopg has decoded a ``json`` value already."""
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value if value is None or hasattr(value, "as_sql") else orjson.dumps(value).decode()
