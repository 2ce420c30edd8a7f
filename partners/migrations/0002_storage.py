"""What Django's schema editor has no words for: bitmaps are compressed already, so TOAST stores them as they are."""

from django.db import migrations

BITMAPS = (
    ("partners_cohort", "base_members"),
    ("partners_cohort", "joined_since"),
    ("partners_cohort", "left_since"),
    ("partners_runsets", "added"),
    ("partners_runsets", "removed"),
    ("partners_fullcopy", "matched"),
    ("partners_fullcopy", "later_added"),
    ("partners_fullcopy", "later_removed"),
)


class Migration(migrations.Migration):
    dependencies = [("partners", "0001_initial")]

    operations = [
        migrations.RunSQL(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL", migrations.RunSQL.noop)
        for table, column in BITMAPS
    ]
