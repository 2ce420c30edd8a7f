"""Look-ups of a workspace's users by name do not depend on what the statistics know of the workspace.

``partners.matching`` asks for a workspace that the planner does not know. It then takes a workspace for the part of the
table that the number of different workspaces suggests: where each had one user when the table was last analyzed, for one
row, and any index on the workspace will do. With this it is always the whole table.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("partners", "0003_late_matching"), ("profiles", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE profiles_profile ALTER COLUMN workspace_id SET (n_distinct = 1)",
            "ALTER TABLE profiles_profile ALTER COLUMN workspace_id RESET (n_distinct)",
        )
    ]
