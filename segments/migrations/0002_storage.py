"""What Django's schema editor has no words for: TOAST stores bitmaps as they are, since they are compressed already."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("segments", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE segments_segmentexport ALTER COLUMN users SET STORAGE EXTERNAL", migrations.RunSQL.noop
        ),
    ]
