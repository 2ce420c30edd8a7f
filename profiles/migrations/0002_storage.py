"""What Django's schema editor has no words for: profile ids fit 32 bits for ever, bitmaps are stored as they are, and
look-ups by name do not depend on how many users each workspace had when the statistics were made."""

from django.db import migrations


def _distinct(column, number=None):
    """How many different values the planner takes a column to have, whatever ANALYZE finds; negative: per row."""
    change = f"SET (n_distinct = {number})" if number else "RESET (n_distinct)"
    return f"ALTER TABLE profiles_profile ALTER COLUMN {column} {change}"


class Migration(migrations.Migration):
    dependencies = [("profiles", "0001_initial")]

    operations = [
        migrations.RunSQL(
            # Sets of users are bitmaps over 32-bit ids: running out is an error, starting again would mix people up.
            "ALTER TABLE profiles_profile ALTER COLUMN id SET MAXVALUE 4294967295 SET NO CYCLE",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            # Roaring bitmaps are compressed already; TOAST would only spend time on them.
            "ALTER TABLE profiles_liveusers ALTER COLUMN members SET STORAGE EXTERNAL",
            migrations.RunSQL.noop,
        ),
        # A look-up of a workspace that the planner does not see (profiles/planning.py) is taken for the part of the table
        # that the number of workspaces suggests: where each had one user, for one row, and any index on the workspace will
        # do. So it is the whole table, always.
        migrations.RunSQL(_distinct("workspace_id", "1"), _distinct("workspace_id")),
        # And a name is always one of as many as there are users, also where hardly anybody had one at the last ANALYZE.
        *(migrations.RunSQL(_distinct(name, "-1"), _distinct(name)) for name in ("external_id", "email", "phone")),
    ]
