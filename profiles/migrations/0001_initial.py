import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import profiles.models
import profiles.sets
import profiles.stores
import uuid
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
            name='LiveUsers',
            fields=[
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='workspaces.workspace')),
                ('members', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
            ],
        ),
        migrations.CreateModel(
            name='LogCursor',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('xid', models.BigIntegerField(default=0)),
                ('event', models.BigIntegerField(default=0)),
                ('cluster', models.BigIntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='CustomEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=255, verbose_name='name')),
                ('count', models.BigIntegerField(default=0, verbose_name='times performed')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='first seen')),
                ('last_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='last seen')),
                ('keeps_properties', models.BooleanField(db_default=False, default=False, verbose_name='keeps properties')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='custom_events', to='workspaces.workspace')),
            ],
            options={
                'verbose_name': 'custom event',
                'verbose_name_plural': 'custom events',
            },
        ),
        migrations.CreateModel(
            name='DataChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('xid', models.BigIntegerField(db_default=django.db.models.expressions.RawSQL('(pg_current_xact_id()::text::bigint)', ()))),
                ('made_at', models.DateTimeField(db_default=django.db.models.expressions.RawSQL('clock_timestamp()', ()))),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
        ),
        migrations.CreateModel(
            name='IdentityChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('xid', models.BigIntegerField(db_default=django.db.models.expressions.RawSQL('(pg_current_xact_id()::text::bigint)', ()))),
                ('kind', models.CharField(choices=[('created', 'Created'), ('identified', 'Identified'), ('aliased', 'Aliased'), ('merged', 'Merged'), ('deleted', 'Deleted')], max_length=10)),
                ('profile_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('survivor_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), null=True, size=None)),
                ('folded', models.BooleanField(db_default=False)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
        ),
        migrations.CreateModel(
            name='MessageSource',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('campaign', 'Campaign'), ('canvas', 'Canvas'), ('step', 'Canvas step'), ('variation', 'Canvas variation'), ('variant', 'Campaign variant'), ('link', 'Link')], max_length=10, verbose_name='kind')),
                ('source_id', models.CharField(max_length=255, verbose_name='id')),
                ('name', models.CharField(blank=True, max_length=255, verbose_name='name')),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), db_default=[], default=list, size=None, verbose_name='tags')),
                ('is_archived', models.BooleanField(db_default=False, default=False, verbose_name='archived')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='first seen')),
                ('parent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='profiles.messagesource')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
            options={
                'verbose_name': 'campaign or Canvas',
                'verbose_name_plural': 'campaigns and Canvases',
            },
        ),
        migrations.CreateModel(
            name='Product',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=255, verbose_name='product id')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='first seen')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
            options={
                'verbose_name': 'product',
                'verbose_name_plural': 'products',
            },
        ),
        migrations.CreateModel(
            name='Profile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('braze_id', models.CharField(default=profiles.models.new_braze_id, editable=False, max_length=24, unique=True, verbose_name='braze id')),
                ('external_id', models.CharField(max_length=512, null=True, verbose_name='external id')),
                ('first_name', models.TextField(blank=True, db_default='', default='', verbose_name='first name')),
                ('last_name', models.TextField(blank=True, db_default='', default='', verbose_name='last name')),
                ('email', models.TextField(blank=True, db_default='', default='', verbose_name='email')),
                ('phone', models.TextField(blank=True, db_default='', default='', verbose_name='phone')),
                ('country', models.CharField(blank=True, db_default='', default='', max_length=2, verbose_name='country')),
                ('language', models.CharField(blank=True, db_default='', default='', max_length=10, verbose_name='language')),
                ('home_city', models.TextField(blank=True, db_default='', default='', verbose_name='home city')),
                ('time_zone', models.CharField(blank=True, db_default='', default='', max_length=64, verbose_name='time zone')),
                ('gender', models.CharField(blank=True, db_default='', default='', max_length=1, verbose_name='gender')),
                ('date_of_birth', models.DateField(null=True, verbose_name='date of birth')),
                ('email_subscribe', models.CharField(choices=[('subscribed', 'Subscribed'), ('opted_in', 'Opted in'), ('unsubscribed', 'Unsubscribed')], db_default='subscribed', default='subscribed', max_length=12, verbose_name='email subscription')),
                ('push_subscribe', models.CharField(choices=[('subscribed', 'Subscribed'), ('opted_in', 'Opted in'), ('unsubscribed', 'Unsubscribed')], db_default='subscribed', default='subscribed', max_length=12, verbose_name='push subscription')),
                ('email_opted_in_at', models.DateTimeField(null=True, verbose_name='opted in to email')),
                ('email_unsubscribed_at', models.DateTimeField(null=True, verbose_name='unsubscribed from email')),
                ('push_opted_in_at', models.DateTimeField(null=True, verbose_name='opted in to push')),
                ('push_unsubscribed_at', models.DateTimeField(null=True, verbose_name='unsubscribed from push')),
                ('random_bucket', models.SmallIntegerField(default=profiles.models.new_random_bucket, verbose_name='random bucket')),
                ('is_test_user', models.BooleanField(db_default=False, default=False, verbose_name='test user')),
                ('custom_attributes', models.JSONField(db_default={}, default=dict, verbose_name='custom attributes')),
                ('other_fields', models.JSONField(db_default={}, default=dict, verbose_name='other fields')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created at')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='last changed')),
                ('first_used_at', models.DateTimeField(null=True, verbose_name='first used app')),
                ('last_used_at', models.DateTimeField(null=True, verbose_name='last used app')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace', verbose_name='workspace')),
            ],
            options={
                'verbose_name': 'user profile',
                'verbose_name_plural': 'user profiles',
            },
        ),
        migrations.CreateModel(
            name='LastEngagement',
            fields=[
                ('pk', models.CompositePrimaryKey('workspace_id', 'action', 'channel', 'profile_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('action', models.CharField(choices=[('received', 'received'), ('opened', 'opened'), ('machine', 'opened by a machine'), ('clicked', 'clicked'), ('converted', 'converted'), ('entered', 'entered'), ('control', 'in the control group'), ('bounced', 'hard bounced'), ('softbounce', 'soft bounced'), ('spam', 'marked as spam')], max_length=10, verbose_name='what')),
                ('channel', models.CharField(max_length=20, verbose_name='channel')),
                ('last_at', models.DateTimeField(verbose_name='last')),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='last_engagement', to='profiles.profile')),
            ],
            options={
                'verbose_name': 'last engagement',
                'verbose_name_plural': 'last engagement',
            },
        ),
        migrations.CreateModel(
            name='KeptPurchase',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product', models.CharField(max_length=255, verbose_name='product id')),
                ('time', models.DateTimeField(verbose_name='time')),
                ('count', models.IntegerField(default=1, verbose_name='quantity')),
                ('properties', models.JSONField(verbose_name='properties')),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='kept_purchases', to='profiles.profile')),
            ],
            options={
                'verbose_name': 'purchase with properties',
                'verbose_name_plural': 'purchases with properties',
            },
        ),
        migrations.CreateModel(
            name='KeptEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('time', models.DateTimeField(verbose_name='time')),
                ('properties', models.JSONField(verbose_name='properties')),
                ('event', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='kept', to='profiles.customevent')),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='kept_events', to='profiles.profile')),
            ],
            options={
                'verbose_name': 'event with properties',
                'verbose_name_plural': 'events with properties',
            },
        ),
        migrations.CreateModel(
            name='FormerName',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('external_id', 'External Id'), ('braze_id', 'Braze Id')], max_length=11)),
                ('name', models.TextField()),
                ('is_removed', models.BooleanField(db_default=False, default=False)),
                ('made_at', models.DateTimeField(db_default=django.db.models.expressions.RawSQL('clock_timestamp()', ()))),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='former_names', to='profiles.profile')),
            ],
        ),
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('device_id', models.CharField(max_length=512, verbose_name='device id')),
                ('platform', models.CharField(blank=True, max_length=20, verbose_name='platform')),
                ('model', models.CharField(blank=True, max_length=200, verbose_name='device model')),
                ('os_version', models.CharField(blank=True, max_length=50, verbose_name='OS version')),
                ('carrier', models.CharField(blank=True, db_default='', default='', max_length=100, verbose_name='carrier')),
                ('browser', models.CharField(blank=True, db_default='', default='', max_length=100, verbose_name='browser')),
                ('ad_id', models.CharField(blank=True, db_default='', default='', max_length=100, verbose_name='advertising id')),
                ('ad_id_type', models.CharField(blank=True, db_default='', default='', max_length=20, verbose_name='kind of advertising id')),
                ('ad_tracking', models.CharField(blank=True, db_default='', default='', max_length=5, verbose_name='ad tracking')),
                ('told_at', models.DateTimeField(editable=False, null=True)),
                ('app', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='workspaces.app', verbose_name='app')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='devices', to='profiles.profile', verbose_name='user profile')),
            ],
            options={
                'verbose_name': 'device',
                'verbose_name_plural': 'devices',
            },
        ),
        migrations.CreateModel(
            name='DeprecatedId',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=512, verbose_name='external id')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deprecated_ids', to='profiles.profile', verbose_name='user profile')),
            ],
            options={
                'verbose_name': 'deprecated external id',
                'verbose_name_plural': 'deprecated external ids',
            },
        ),
        migrations.CreateModel(
            name='DailyEngagement',
            fields=[
                ('pk', models.CompositePrimaryKey('workspace_id', 'action', 'source', 'profile_id', 'channel', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('action', models.CharField(choices=[('received', 'received'), ('opened', 'opened'), ('machine', 'opened by a machine'), ('clicked', 'clicked'), ('converted', 'converted'), ('entered', 'entered'), ('control', 'in the control group'), ('bounced', 'hard bounced'), ('softbounce', 'soft bounced'), ('spam', 'marked as spam')], max_length=10, verbose_name='what')),
                ('source', models.BigIntegerField()),
                ('channel', models.CharField(max_length=20, verbose_name='channel')),
                ('day', models.DateField(verbose_name='day')),
                ('count', models.BigIntegerField(default=0, verbose_name='times')),
                ('last_at', models.DateTimeField(verbose_name='last')),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='engagement', to='profiles.profile')),
            ],
            options={
                'verbose_name': 'daily engagement',
                'verbose_name_plural': 'daily engagement',
            },
        ),
        migrations.CreateModel(
            name='DailyCount',
            fields=[
                ('pk', models.CompositePrimaryKey('workspace_id', 'kind', 'name', 'profile_id', 'currency', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('event', 'Custom event'), ('purchase', 'Purchase'), ('session', 'Session')], max_length=10, verbose_name='kind')),
                ('name', models.CharField(max_length=255, verbose_name='name')),
                ('currency', models.CharField(db_default='', default='', max_length=3, verbose_name='currency')),
                ('day', models.DateField(verbose_name='day')),
                ('count', models.BigIntegerField(default=0, verbose_name='times')),
                ('money', profiles.stores.ExactDecimalField(decimal_places=400, default=0, max_digits=1000, verbose_name='money')),
                ('first_at', models.DateTimeField(verbose_name='first')),
                ('last_at', models.DateTimeField(verbose_name='last')),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='daily_counts', to='profiles.profile')),
            ],
            options={
                'verbose_name': 'daily count',
                'verbose_name_plural': 'daily counts',
            },
        ),
        migrations.CreateModel(
            name='AppUse',
            fields=[
                ('pk', models.CompositePrimaryKey('profile_id', 'app_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('first_used_at', models.DateTimeField(verbose_name='first used')),
                ('last_used_at', models.DateTimeField(verbose_name='last used')),
                ('sessions', models.BigIntegerField(db_default=0, default=0, verbose_name='sessions')),
                ('first_purchased_at', models.DateTimeField(null=True, verbose_name='first purchase')),
                ('first_version', models.CharField(db_default='', default='', max_length=100, verbose_name='first version')),
                ('first_version_at', models.DateTimeField(null=True)),
                ('last_version', models.CharField(db_default='', default='', max_length=100, verbose_name='most recent version')),
                ('last_version_at', models.DateTimeField(null=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.app')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='app_uses', to='profiles.profile')),
            ],
        ),
        migrations.CreateModel(
            name='Alias',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(max_length=512, verbose_name='alias label')),
                ('name', models.CharField(max_length=512, verbose_name='alias name')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='aliases', to='profiles.profile', verbose_name='user profile')),
            ],
            options={
                'verbose_name': 'alias',
                'verbose_name_plural': 'aliases',
            },
        ),
        migrations.CreateModel(
            name='PushToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token', models.CharField(max_length=512, verbose_name='push token')),
                ('device_id', models.CharField(max_length=512, verbose_name='device id')),
                ('is_foreground', models.BooleanField(db_default=True, default=True, verbose_name='foreground')),
                ('is_provisional', models.BooleanField(db_default=False, default=False, verbose_name='provisional')),
                ('told_at', models.DateTimeField(editable=False, null=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.app', verbose_name='app')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='push_tokens', to='profiles.profile', verbose_name='user profile')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
            options={
                'verbose_name': 'push token',
                'verbose_name_plural': 'push tokens',
            },
        ),
        migrations.CreateModel(
            name='PushToStart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token', models.CharField(max_length=512, verbose_name='push token')),
                ('told_at', models.DateTimeField()),
                ('app', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.app', verbose_name='app')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='push_to_start', to='profiles.profile', verbose_name='user profile')),
            ],
            options={
                'verbose_name': 'push-to-start token',
                'verbose_name_plural': 'push-to-start tokens',
            },
        ),
        migrations.CreateModel(
            name='SessionLength',
            fields=[
                ('pk', models.CompositePrimaryKey('workspace_id', 'profile_id', 'seconds', blank=True, editable=False, primary_key=True, serialize=False)),
                ('seconds', models.IntegerField(verbose_name='seconds')),
                ('count', models.BigIntegerField(default=0, verbose_name='sessions')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='session_lengths', to='profiles.profile')),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
            options={
                'verbose_name': 'session length',
                'verbose_name_plural': 'session lengths',
            },
        ),
        migrations.CreateModel(
            name='SubscriptionGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('api_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='subscription group id')),
                ('name', models.CharField(max_length=255, verbose_name='name')),
                ('channel', models.CharField(choices=[('email', 'Email'), ('sms', 'SMS'), ('whatsapp', 'WhatsApp')], default='email', max_length=10, verbose_name='channel')),
                ('description', models.TextField(blank=True, db_default='', default='', verbose_name='description')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created at')),
                ('archived_at', models.DateTimeField(null=True, verbose_name='archived at')),
                ('subscribed', models.BigIntegerField(db_default=0, default=0, verbose_name='subscribed')),
                ('unsubscribed', models.BigIntegerField(db_default=0, default=0, verbose_name='unsubscribed')),
                ('counted_at', models.DateTimeField(null=True, verbose_name='counted at')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='subscription_groups', to='workspaces.workspace')),
            ],
            options={
                'verbose_name': 'subscription group',
                'verbose_name_plural': 'subscription groups',
            },
        ),
        migrations.CreateModel(
            name='SubscriptionState',
            fields=[
                ('pk', models.CompositePrimaryKey('profile_id', 'group_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('is_subscribed', models.BooleanField(verbose_name='subscribed')),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='last changed')),
                ('group', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='states', to='profiles.subscriptiongroup')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='subscription_states', to='profiles.profile')),
            ],
        ),
        migrations.CreateModel(
            name='Uninstall',
            fields=[
                ('pk', models.CompositePrimaryKey('app_id', 'profile_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('uninstalled_at', models.DateTimeField(verbose_name='uninstalled')),
                ('app', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.app')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uninstalls', to='profiles.profile')),
            ],
            options={
                'verbose_name': 'uninstall',
                'verbose_name_plural': 'uninstalls',
            },
        ),
        migrations.CreateModel(
            name='UserImport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='uploaded at')),
                ('file_name', models.CharField(max_length=255, verbose_name='file')),
                ('stored_as', models.CharField(max_length=64, unique=True)),
                ('size', models.BigIntegerField(validators=[django.core.validators.MinValueValidator(1)], verbose_name='size')),
                ('delimiter', models.CharField(default=',', max_length=1)),
                ('header', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('mapping', models.JSONField(default=list)),
                ('update_only', models.BooleanField(default=False, verbose_name='update existing users only')),
                ('state', models.CharField(choices=[('uploaded', 'Columns to be mapped'), ('checking', 'Dry run'), ('checked', 'Checked'), ('running', 'Importing'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='uploaded', max_length=10, verbose_name='state')),
                ('position', models.BigIntegerField(default=0)),
                ('line', models.BigIntegerField(default=1)),
                ('created', models.BigIntegerField(default=0, verbose_name='new users')),
                ('updated', models.BigIntegerField(default=0, verbose_name='updated users')),
                ('ignored', models.BigIntegerField(default=0, verbose_name='ignored rows')),
                ('refused', models.BigIntegerField(default=0, verbose_name='refused rows')),
                ('error', models.CharField(blank=True, choices=[('file_missing', 'The file is gone. Web servers and workers must share the directory IMPORT_DIR.'), ('unreadable', 'From this line on the file cannot be read as CSV: a quotation mark may be missing.'), ('internal', 'An internal error stopped the import at this line. The log of the worker tells more.')], max_length=20, verbose_name='error')),
                ('started_at', models.DateTimeField(null=True, verbose_name='started at')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended at')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made by')),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='user_imports', to='workspaces.workspace', verbose_name='workspace')),
            ],
            options={
                'verbose_name': 'user import',
                'verbose_name_plural': 'user imports',
                'ordering': ['-made_at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='TriedName',
            fields=[
                ('pk', models.CompositePrimaryKey('user_import_id', 'digest', blank=True, editable=False, primary_key=True, serialize=False)),
                ('digest', models.UUIDField()),
                ('user_import', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tried_names', to='profiles.userimport')),
            ],
        ),
        migrations.CreateModel(
            name='RefusedRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('line', models.BigIntegerField(verbose_name='line')),
                ('column', models.TextField(verbose_name='column')),
                ('value', models.TextField(verbose_name='value')),
                ('reason', models.CharField(choices=[('cells', 'The row has another number of cells than the header.'), ('encoding', 'The row is not encoded in UTF-8, or holds a character that cannot be stored.'), ('no_id', 'The identifier is missing.'), ('bad_id', 'The identifier is too long.'), ('bad_value', 'The attribute cannot have this value.'), ('too_long', 'The text is too long.'), ('no_number', 'This is not a number, or too large.'), ('no_boolean', 'This is neither true nor false.'), ('no_date', 'This is not a date: write it like 2026-01-31 or 2026-01-31T12:00:00Z.'), ('no_array', 'This is not an array of texts or numbers.'), ('no_object', 'This is not a JSON object that can be stored.'), ('no_group', 'No subscription group of this workspace has this ID.'), ('no_state', 'This is neither subscribed nor unsubscribed.'), ('bad_phone', 'No user can be found by this phone number: write it like +442071838750.')], max_length=20, verbose_name='reason')),
                ('user_import', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refused_rows', to='profiles.userimport')),
            ],
        ),
        migrations.CreateModel(
            name='ImportedUser',
            fields=[
                ('pk', models.CompositePrimaryKey('user_import_id', 'profile_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='imports', to='profiles.profile')),
                ('user_import', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='users', to='profiles.userimport')),
            ],
        ),
        migrations.CreateModel(
            name='AppVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.CharField(max_length=100, verbose_name='version')),
                ('app', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='workspaces.app')),
            ],
            options={
                'verbose_name': 'app version',
                'verbose_name_plural': 'app versions',
                'constraints': [models.UniqueConstraint(fields=('app', 'version'), name='app_version_once')],
            },
        ),
        migrations.CreateModel(
            name='CustomAttribute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=255, verbose_name='name')),
                ('type', models.CharField(choices=[('string', 'String'), ('number', 'Number'), ('boolean', 'Boolean'), ('date', 'Date'), ('array', 'Array'), ('object', 'Object')], max_length=10, verbose_name='type')),
                ('is_forced', models.BooleanField(db_default=False, default=False, verbose_name='type is forced')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='first seen')),
                ('users', models.BigIntegerField(db_default=0, default=0, verbose_name='users')),
                ('counted_at', models.DateTimeField(null=True, verbose_name='counted at')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='custom_attributes', to='workspaces.workspace')),
            ],
            options={
                'verbose_name': 'custom attribute',
                'verbose_name_plural': 'custom attributes',
                'constraints': [models.UniqueConstraint(fields=('workspace', 'name'), name='custom_attribute_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='customevent',
            constraint=models.UniqueConstraint(fields=('workspace', 'name'), name='custom_event_once'),
        ),
        migrations.AddIndex(
            model_name='datachange',
            index=models.Index(fields=['workspace', 'kind', 'xid'], name='data_change_of_kind'),
        ),
        migrations.AddIndex(
            model_name='identitychange',
            index=models.Index(condition=models.Q(('folded', False)), fields=['workspace', 'id'], name='identity_unfolded'),
        ),
        migrations.AddIndex(
            model_name='identitychange',
            index=models.Index(fields=['workspace', 'xid', 'id'], name='identity_order'),
        ),
        migrations.AddConstraint(
            model_name='messagesource',
            constraint=models.UniqueConstraint(fields=('workspace', 'kind', 'source_id', 'parent'), name='message_source_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.UniqueConstraint(fields=('workspace', 'name'), name='product_once'),
        ),
        migrations.AddIndex(
            model_name='profile',
            index=models.Index(fields=['workspace', 'country'], include=('id',), name='profile_country'),
        ),
        migrations.AddIndex(
            model_name='profile',
            index=models.Index(fields=['workspace', 'language'], include=('id',), name='profile_language'),
        ),
        migrations.AddIndex(
            model_name='profile',
            index=models.Index(fields=['workspace', 'email'], name='profile_email'),
        ),
        migrations.AddIndex(
            model_name='profile',
            index=models.Index(fields=['workspace', 'phone'], name='profile_phone'),
        ),
        migrations.AddIndex(
            model_name='profile',
            index=models.Index(fields=['workspace', 'last_used_at'], include=('id',), name='profile_last_used'),
        ),
        migrations.AddIndex(
            model_name='profile',
            index=models.Index(condition=models.Q(('is_test_user', True)), fields=['workspace'], name='profile_test_user'),
        ),
        migrations.AddIndex(
            model_name='profile',
            index=models.Index(condition=models.Q(('other_fields__has_key', 'push_token_import')), fields=['workspace'], name='profile_token_import'),
        ),
        migrations.AddConstraint(
            model_name='profile',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id__isnull', False)), fields=('workspace', 'external_id'), include=('id',), name='external_id_once'),
        ),
        migrations.AddIndex(
            model_name='keptpurchase',
            index=models.Index(fields=['workspace', 'product', 'time'], name='kept_purchase_of_product'),
        ),
        migrations.AddIndex(
            model_name='keptpurchase',
            index=models.Index(fields=['time'], name='kept_purchase_time'),
        ),
        migrations.AddIndex(
            model_name='keptevent',
            index=models.Index(fields=['event', 'time'], name='kept_event_of_name'),
        ),
        migrations.AddIndex(
            model_name='keptevent',
            index=models.Index(fields=['time'], name='kept_event_time'),
        ),
        migrations.AddIndex(
            model_name='formername',
            index=models.Index(fields=['workspace', 'name', 'kind'], name='former_name'),
        ),
        migrations.AddIndex(
            model_name='formername',
            index=models.Index(fields=['made_at'], name='former_name_age'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(fields=('workspace', 'device_id', 'profile'), name='device_of_profile_once'),
        ),
        migrations.AddConstraint(
            model_name='deprecatedid',
            constraint=models.UniqueConstraint(fields=('workspace', 'external_id'), name='deprecated_id_once'),
        ),
        migrations.AddIndex(
            model_name='alias',
            index=models.Index(fields=['workspace', 'name'], name='alias_name'),
        ),
        migrations.AddConstraint(
            model_name='alias',
            constraint=models.UniqueConstraint(fields=('workspace', 'label', 'name'), name='alias_once'),
        ),
        migrations.AddConstraint(
            model_name='pushtoken',
            constraint=models.UniqueConstraint(fields=('workspace', 'token', 'app'), name='push_token_once'),
        ),
        migrations.AddConstraint(
            model_name='pushtostart',
            constraint=models.UniqueConstraint(fields=('app', 'token'), name='push_to_start_once'),
        ),
        migrations.AddConstraint(
            model_name='subscriptiongroup',
            constraint=models.UniqueConstraint(fields=('workspace', 'name'), name='subscription_group_once'),
        ),
        migrations.AddIndex(
            model_name='subscriptionstate',
            index=models.Index(fields=['group', 'is_subscribed'], name='subscription_group_state'),
        ),
        migrations.AddIndex(
            model_name='userimport',
            index=models.Index(condition=models.Q(('state__in', ['checking', 'running'])), fields=['id'], name='user_import_working'),
        ),
    ]
