"""Looking up names of users so that each takes one probe of the right index, whatever PostgreSQL's statistics say.

The planner takes a workspace that was not there (or was empty) at the last ANALYZE for one of hardly any rows: then any
index that begins with the workspace looks as good as the one for the name, and the whole workspace is read for every
name. So look-ups by name give the workspace as a value that the planner does not see, and ask for each name on its own,
in a subquery with LIMIT or OFFSET, which is not turned into another join.
"""

from typing import Final

from django.db.models.expressions import RawSQL

#: In SQL, the parameter ``workspace`` as such a value: PostgreSQL then reckons with a workspace of the usual size.
WORKSPACE: Final = "(SELECT %(workspace)s::bigint)"


def unseen(workspace_id: int) -> RawSQL:
    """The same for the ORM."""
    return RawSQL("SELECT %s::bigint", [workspace_id])
