"""The one owner of the embedded servers, and of the processes of ``manage.py demo``.

PostgreSQL and Valkey come from wheels. Each is the child of a small detached *keeper* (``keeper.py``), which lives
as long as some process *holds* the server (``servers.hold``): a holder has a shared lock on a file, the kernel
drops it however the process ends, and a keeper that can take the lock for itself stops its server.

Nothing here imports Django: ``manage.py`` needs the servers' addresses before the settings load.
"""
