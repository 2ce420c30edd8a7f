"""An index that leads to the events of one user: 28 bytes an event, whatever the user is called.

By a hash of the user's name, and then by id: the newest events of a user come first, also of one who has millions.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("currents", "0003_log_cluster")]

    operations = [
        migrations.RunSQL(
            """
            CREATE INDEX event_of_user ON currents_event
                (hashtext(coalesce(external_user_id, payload #>> '{user,user_id}')), id)
            """,
            "DROP INDEX event_of_user",
        )
    ]
