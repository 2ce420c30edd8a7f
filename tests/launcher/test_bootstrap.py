"""``manage.py bootstrap --json`` as other projects' tests call it: nothing is there, and stdout is one JSON object."""

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_it_starts_from_nothing(tmp_path: Path) -> None:
    ours = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    env["BRAZECLONE_DATA_DIR"] = str(tmp_path)
    command = [sys.executable, "manage.py", "bootstrap", "--json"]
    result = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=120, check=True)
    assert set(json.loads(result.stdout)) == {"rest_endpoint", "workspace_id", "admin", "rest_api_key", "partners"}
