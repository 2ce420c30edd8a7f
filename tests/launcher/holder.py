"""A process that holds the servers of a data directory until it is killed: ``python -m tests.launcher.holder ROOT``."""

import json
import sys
import time
from pathlib import Path

from brazeclone.launcher import servers
from tests.servers import FAST

if __name__ == "__main__":
    with servers.hold(Path(sys.argv[1]), options=FAST) as urls:
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        time.sleep(600)
