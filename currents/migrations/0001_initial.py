import currents.fields
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
import uuid
import workspaces.encryption
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('workspaces', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='EventKeeping',
            fields=[
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='workspaces.workspace')),
                ('cap_days', models.PositiveSmallIntegerField(verbose_name='days')),
            ],
        ),
        migrations.CreateModel(
            name='LogCluster',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('system_identifier', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='LogMark',
            fields=[
                ('taken_at', models.DateTimeField(primary_key=True, serialize=False)),
                ('first_xid', models.BigIntegerField()),
                ('next_xid', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Current',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('api_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(max_length=100, verbose_name='integration name')),
                ('contact_email', models.EmailField(max_length=254, verbose_name='contact email')),
                ('destination', models.CharField(max_length=40, verbose_name='destination')),
                ('options', models.JSONField(default=dict, editable=False)),
                ('secrets', workspaces.encryption.SecretsField(default=workspaces.encryption.Secrets)),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), default=list, size=None, verbose_name='events')),
                ('transformations', models.JSONField(default=dict, editable=False)),
                ('flush_interval', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MaxValueValidator(900)], verbose_name='flush interval')),
                ('requests_in_flight', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(16)], verbose_name='requests in flight')),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('active', 'Active'), ('paused', 'Paused'), ('failed', 'Failed'), ('stopped', 'Stopped')], default='draft', editable=False, max_length=10, verbose_name='status')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='created at')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='last edited')),
                ('launched_at', models.DateTimeField(editable=False, null=True, verbose_name='launched at')),
                ('failed_at', models.DateTimeField(editable=False, null=True, verbose_name='failed at')),
                ('failure', models.TextField(blank=True, editable=False, verbose_name='last error')),
                ('probe_at', models.DateTimeField(editable=False, null=True)),
                ('created_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='currents', to='workspaces.workspace', verbose_name='workspace')),
            ],
            options={
                'verbose_name': 'Current',
                'verbose_name_plural': 'Currents',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='EventSelection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('from_xid', models.BigIntegerField()),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), size=None)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('current', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='selections', to='currents.current')),
            ],
            options={
                'ordering': ['from_xid', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Replay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('from_time', models.DateTimeField(verbose_name='from')),
                ('to_time', models.DateTimeField(verbose_name='to')),
                ('end_xid', models.BigIntegerField()),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), size=None)),
                ('state', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('cancelled', 'Cancelled')], default='running', max_length=10, verbose_name='status')),
                ('expected', models.BigIntegerField()),
                ('expected_more', models.BooleanField(default=False)),
                ('delivered', models.BigIntegerField(default=0)),
                ('refused', models.BigIntegerField(default=0)),
                ('skipped', models.BigIntegerField(default=0)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='started at')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished at')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('current', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='replays', to='currents.current')),
            ],
            options={
                'verbose_name': 'replay',
                'verbose_name_plural': 'replays',
            },
        ),
        migrations.CreateModel(
            name='Cursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('shard', models.SmallIntegerField()),
                ('xid', models.BigIntegerField(default=0)),
                ('event', models.BigIntegerField(default=0)),
                ('counted', models.IntegerField(default=0)),
                ('counted_xid', models.BigIntegerField(null=True)),
                ('counted_event', models.BigIntegerField(null=True)),
                ('lease', models.UUIDField(null=True)),
                ('leased_until', models.DateTimeField(null=True)),
                ('attempt', models.IntegerField(default=0)),
                ('batch_limit', models.IntegerField(default=0)),
                ('next_try_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('first_failure_at', models.DateTimeField(null=True)),
                ('last_error', models.TextField(blank=True)),
                ('current', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='cursors', to='currents.current')),
                ('replay', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='cursors', to='currents.replay')),
            ],
        ),
        migrations.CreateModel(
            name='RequestTime',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('limit', models.IntegerField()),
                ('count', models.BigIntegerField(default=0)),
                ('milliseconds', models.BigIntegerField(default=0)),
                ('current', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='request_times', to='currents.current')),
            ],
        ),
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.CharField(max_length=200, verbose_name='event id')),
                ('event_type', models.CharField(max_length=100, verbose_name='event type')),
                ('reason', models.TextField(verbose_name='reason')),
                ('field', models.CharField(blank=True, max_length=200, verbose_name='field')),
                ('payload', currents.fields.JsonTextField(verbose_name='payload')),
                ('source', currents.fields.JsonTextField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='refused at')),
                ('retry_at', models.DateTimeField(null=True, verbose_name='retry')),
                ('leased_until', models.DateTimeField(null=True)),
                ('current', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dead_letters', to='currents.current')),
            ],
            options={
                'verbose_name': 'dead letter',
                'verbose_name_plural': 'dead letters',
                'indexes': [models.Index(fields=['current', '-created_at'], name='dead_letter_recent'), models.Index(condition=models.Q(('retry_at__isnull', False)), fields=['current', 'retry_at'], name='dead_letter_retry')],
            },
        ),
        migrations.CreateModel(
            name='DeliveryCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField()),
                ('outcome', models.CharField(choices=[('delivered', 'Delivered'), ('dead_letter', 'Refused by the destination'), ('no_external_id', 'User without an external id'), ('too_old', 'Before 2010-01-01'), ('too_large', 'Over 900 KB'), ('not_selected', 'Event type not selected at the time'), ('lost', 'Lost: it waited longer than events are kept')], max_length=20)),
                ('count', models.BigIntegerField(default=0)),
                ('example', models.TextField(blank=True, default='')),
                ('current', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='counts', to='currents.current')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('current', 'hour', 'outcome'), name='count_per_hour')],
            },
        ),
        migrations.CreateModel(
            name='DeliveryRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('shard', models.SmallIntegerField(verbose_name='shard')),
                ('started_at', models.DateTimeField(verbose_name='started at')),
                ('milliseconds', models.IntegerField(verbose_name='duration')),
                ('events', models.IntegerField(verbose_name='events')),
                ('status', models.IntegerField(null=True, verbose_name='answer')),
                ('error', models.TextField(blank=True, verbose_name='error')),
                ('is_replay', models.BooleanField(default=False, verbose_name='replay')),
                ('current', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='requests', to='currents.current')),
            ],
            options={
                'verbose_name': 'request',
                'verbose_name_plural': 'requests',
                'indexes': [models.Index(fields=['current', '-started_at'], name='request_recent')],
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('xid', models.BigIntegerField(db_default=currents.fields.CurrentTransaction(), editable=False)),
                ('shard', models.SmallIntegerField()),
                ('event_id', models.CharField(max_length=200, verbose_name='event id')),
                ('event_type', models.CharField(max_length=100, verbose_name='event type')),
                ('time', models.BigIntegerField(help_text='Seconds since 1970, UTC.', verbose_name='time')),
                ('external_user_id', models.TextField(null=True, verbose_name='external id')),
                ('payload', currents.fields.JsonTextField()),
                ('received_at', models.DateTimeField(db_default=currents.fields.StatementTime(), verbose_name='received at')),
                ('from_outside', models.BooleanField(db_default=False)),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace', verbose_name='workspace')),
            ],
            options={
                'verbose_name': 'event',
                'verbose_name_plural': 'events',
                'indexes': [models.Index(fields=['workspace', 'shard', 'xid', 'id'], name='event_order'), django.contrib.postgres.indexes.BrinIndex(fields=['received_at'], name='event_received'), models.Index(condition=models.Q(('from_outside', True)), fields=['xid', 'id'], name='event_from_outside')],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('failed', 'The destination refuses the credentials'), ('recovered', 'The destination accepts it again'), ('kept', 'Events are kept past their time'), ('lost', 'Events were lost at the cap')], max_length=10)),
                ('facts', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('attempt', models.SmallIntegerField(default=0)),
                ('leased_until', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('current', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='currents.current')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('sent_at__isnull', True)), fields=['leased_until'], name='notice_waiting')],
            },
        ),
        migrations.CreateModel(
            name='ReceivedEventId',
            fields=[
                ('pk', models.CompositePrimaryKey('workspace_id', 'event_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('event_id', models.CharField(max_length=200)),
                ('day', models.DateField()),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
            options={
                'indexes': [django.contrib.postgres.indexes.BrinIndex(fields=['day'], name='received_day')],
            },
        ),
        migrations.AddConstraint(
            model_name='replay',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'running')), fields=('current',), name='one_running_replay'),
        ),
        migrations.AddConstraint(
            model_name='cursor',
            constraint=models.UniqueConstraint(condition=models.Q(('replay__isnull', True)), fields=('current', 'shard'), name='cursor_per_shard'),
        ),
        migrations.AddConstraint(
            model_name='cursor',
            constraint=models.UniqueConstraint(fields=('replay', 'shard'), name='replay_cursor_per_shard'),
        ),
        migrations.AddConstraint(
            model_name='requesttime',
            constraint=models.UniqueConstraint(fields=('current', 'limit'), name='request_time_per_limit'),
        ),
    ]
