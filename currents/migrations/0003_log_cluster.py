from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("currents", "0002_partitions")]

    operations = [
        migrations.RunSQL(
            "INSERT INTO currents_logcluster (system_identifier) SELECT system_identifier FROM pg_control_system()",
            "DELETE FROM currents_logcluster",
        ),
    ]
