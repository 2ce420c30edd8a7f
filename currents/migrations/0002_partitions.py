"""The event log by the UTC day of receipt, the received ids by the hash of their key: native partitions.

The tables that 0001 made are replaced while they are empty, column for column, so that 0001 stays as Django writes it.
"""

from django.db import migrations

HASH_PARTITIONS = 4


def partition_log(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        # A primary key would have to hold the day too: it would promise nothing, and cost each event that is written.
        cursor.execute(
            """
            SELECT i.indexdef FROM pg_indexes i
             WHERE i.schemaname = current_schema() AND i.tablename = 'currents_event' AND i.indexname NOT LIKE '%_pkey'
             ORDER BY i.indexname
            """
        )
        indexes = [definition for (definition,) in cursor.fetchall()]
        _replace(cursor, "currents_event", "INCLUDING ALL EXCLUDING INDEXES", "RANGE (received_at)")
        cursor.execute("ALTER SEQUENCE currents_event_new_id_seq RENAME TO currents_event_id_seq")
        for definition in indexes:
            cursor.execute(definition)
        # What comes on a day that nobody has made a partition for.
        cursor.execute("CREATE TABLE currents_event_rest PARTITION OF currents_event DEFAULT")


def partition_received_ids(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        _replace(cursor, "currents_receivedeventid", "INCLUDING ALL", "HASH (workspace_id, event_id)")
        for number in range(HASH_PARTITIONS):
            cursor.execute(
                f"CREATE TABLE currents_receivedeventid_{number} PARTITION OF currents_receivedeventid"
                f" FOR VALUES WITH (MODULUS {HASH_PARTITIONS}, REMAINDER {number})"
            )


def _replace(cursor, table, like, by):
    cursor.execute(f"CREATE TABLE {table}_new (LIKE {table} {like}) PARTITION BY {by}")
    cursor.execute(f"DROP TABLE {table}")
    cursor.execute(f"ALTER TABLE {table}_new RENAME TO {table}")


def first_days(apps, schema_editor):
    from currents.partitions import make_ahead

    make_ahead()


class Migration(migrations.Migration):
    dependencies = [("currents", "0001_initial")]

    operations = [
        migrations.RunPython(partition_log, migrations.RunPython.noop),
        migrations.RunPython(partition_received_ids, migrations.RunPython.noop),
        migrations.RunPython(first_days, migrations.RunPython.noop),
        # By a hash of the user's name (28 bytes an event, whatever the user is called) and then by id: the newest events
        # of a user come first, also of one who has millions.
        migrations.RunSQL(
            """
            CREATE INDEX event_of_user ON currents_event
                (hashtext(coalesce(external_user_id, payload #>> '{user,user_id}')), id)
            """,
            "DROP INDEX event_of_user",
        ),
        migrations.RunSQL(
            "INSERT INTO currents_logcluster (system_identifier) SELECT system_identifier FROM pg_control_system()",
            "DELETE FROM currents_logcluster",
        ),
    ]
