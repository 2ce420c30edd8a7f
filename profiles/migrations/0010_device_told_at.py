from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0009_subscription_groups'),
    ]

    operations = [
        migrations.AddField(
            model_name='device',
            name='told_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
