"""What Django's schema editor has no words for: profile ids fit 32 bits for ever, and bitmaps are stored as they are."""

from django.db import migrations


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
    ]
