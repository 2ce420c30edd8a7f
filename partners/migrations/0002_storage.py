"""What Django's schema editor has no words for: TOAST stores bitmaps as they are, since they are compressed already, and
change lists too, since they are gone in a moment."""

from django.db import migrations

UNCOMPRESSED = (
    ("partners_cohort", "base_members"),
    ("partners_cohort", "joined_since"),
    ("partners_cohort", "left_since"),
    ("partners_runsets", "added"),
    ("partners_runsets", "removed"),
    ("partners_fullcopy", "matched"),
    ("partners_fullcopy", "later_added"),
    ("partners_fullcopy", "later_removed"),
    ("partners_cohortchange", "changes"),
    ("partners_identitycursor", "dead"),
)


class Migration(migrations.Migration):
    dependencies = [("partners", "0001_initial")]

    operations = [
        migrations.RunSQL(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL", migrations.RunSQL.noop)
        for table, column in UNCOMPRESSED
    ]
