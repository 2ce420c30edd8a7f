#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL or REDIS_URL, embedded servers run as long as the command."""

import os
import sys


def main() -> None:
    """Run the command that the command line names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brazeclone.settings")
    try:
        from django.core.management import execute_from_command_line
        from django.db import OperationalError

        from brazeclone.launcher.environment import prepared
        from brazeclone.launcher.errors import LauncherError
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("brazeclone"):
            raise
        sys.exit(f"{error.name} is not installed: run `make demo` once, and then .venv/bin/python manage.py")
    try:
        with prepared(sys.argv):
            execute_from_command_line(sys.argv)
    except LauncherError as error:
        sys.exit(str(error))
    except OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        sys.exit(f"The database of DATABASE_URL cannot be used: {reason}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
