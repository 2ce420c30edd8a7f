"""100,000 new users by CSV against a bare COPY of the same rows into the same table.

    python -m benchmarks.user_import

Both run in one process on servers of their own, one after the other, several times; the best of each counts.
"""

import argparse
import csv
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.servers import temporary_servers

COLUMNS = ["external_id", "email", "first_name", "last_name", "country", "language", "plan", "visits", "since"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--users", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary_servers("benchmark") as urls:
        os.environ.update({**urls, "DJANGO_DEBUG": "true", "LOG_LEVEL": "ERROR", "IMPORT_DIR": folder})
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brazeclone.settings")
        _run(Path(folder), options.users, options.rounds)


def _run(folder: Path, users: int, rounds: int) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    # In development Django keeps every statement.
    settings.DEBUG = False

    call_command("migrate", verbosity=0)
    path = folder / "users.csv"
    _write(path, users)
    imports, copies = [], []
    for number in range(rounds):
        imports.append(_imported(path, f"Import {number}"))
        copies.append(_copied(users))
    print(f"{users:,} users, {path.stat().st_size / 1e6:.1f} MB")
    print(f"import {min(imports):.2f} s ({users / min(imports):,.0f} users/s)")
    print(f"bare COPY of the same rows {min(copies):.2f} s ({users / min(copies):,.0f} rows/s)")
    print(f"ratio {min(imports) / min(copies):.2f}")


def _write(path: Path, users: int) -> None:
    draw = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows: Any = csv.writer(file)
        rows.writerow(COLUMNS)
        for number in range(users):
            country, language = draw.choice([("JP", "ja"), ("US", "en"), ("DE", "de"), ("BR", "pt")])
            rows.writerow(
                [
                    f"user-{number}",
                    f"user-{number}@example.com",
                    f"First {draw.randrange(5_000)}",
                    f"Last {draw.randrange(50_000)}",
                    country,
                    language,
                    draw.choice(["free", "gold", "team"]),
                    draw.randrange(1_000),
                    f"2025-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}",
                ]
            )


def _imported(path: Path, name: str) -> float:
    """Seconds of the whole import into a workspace of its own, in chunks that each commit."""
    from profiles.importing import mapping, running, uploads
    from profiles.importing.reading import read_beginning
    from profiles.stores import UserImport
    from workspaces.models import Workspace

    workspace = Workspace.objects.create(name=name)
    beginning = read_beginning(path)
    (path.parent / f"{name}.csv").hardlink_to(path)
    one = UserImport.objects.create(
        workspace=workspace,
        file_name=path.name,
        stored_as=f"{name}.csv",
        size=path.stat().st_size,
        delimiter=beginning.delimiter,
        header=beginning.header,
        mapping=[column.to_json() for column in uploads._guess(workspace, beginning)],
    )
    UserImport.objects.filter(pk=one.pk).update(state=UserImport.State.RUNNING)
    mapping.check(workspace.pk, one.header, mapping.from_json(one.mapping))
    started = time.perf_counter()
    assert not running.work(one.pk, seconds=3_600)
    seconds = time.perf_counter() - started
    one.refresh_from_db()
    assert (one.state, one.created) == (UserImport.State.DONE, sum(1 for _ in path.open()) - 1), one.__dict__
    return seconds


def _copied(users: int) -> float:
    """Seconds of one COPY of the rows that the import has just written, as another workspace's, into the same table."""
    from django.db import connection

    from workspaces.models import Workspace

    workspace = Workspace.objects.create(name=f"Copy {Workspace.objects.count()}")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
            " AND attrelid = 'profiles_profile'::regclass AND attname NOT IN ('id', 'workspace_id', 'braze_id')"
        )
        columns = cursor.fetchone()[0]
        new = f"nextval('profiles_profile_id_seq'), {workspace.pk}, substr(md5(random()::text), 1, 24)"
        last = f"SELECT {new}, {columns} FROM (SELECT * FROM profiles_profile ORDER BY id DESC LIMIT {users}) last"
        with cursor.copy(f"COPY ({last} ORDER BY external_id) TO STDOUT") as copy:
            rows = b"".join(copy)
        started = time.perf_counter()
        with cursor.copy(f"COPY profiles_profile (id, workspace_id, braze_id, {columns}) FROM STDIN") as copy:
            copy.write(rows)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
