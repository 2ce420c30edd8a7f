from django.db import migrations, models
from django.db.models import expressions


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0005_alias_by_name'),
        ('workspaces', '0002_api_key_ranges'),
    ]

    operations = [
        migrations.CreateModel(
            name='DataChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('xid', models.BigIntegerField(db_default=expressions.RawSQL('(pg_current_xact_id()::text::bigint)', ()))),
                ('made_at', models.DateTimeField(db_default=expressions.RawSQL('clock_timestamp()', ()))),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
            options={
                'indexes': [models.Index(fields=['workspace', 'kind', 'xid'], name='data_change_of_kind')],
            },
        ),
    ]
