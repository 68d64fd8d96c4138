"""Starts the session given on stdin with PyPI honeyhive 1.7.0 and prints the answer.

The argument is the directory that the client is installed in. This client has no call that reads
a session; the event is the one that it makes of the answer to start.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from honeyhive.api import HoneyHive

given = json.load(sys.stdin.buffer)
client = HoneyHive(api_key="a-key", base_url=given["url"])
started = client.sessions.start({"session": given["session"]})
answers = {"session_id": started.session_id, "event": started.model_dump(mode="json")}
print(json.dumps(answers))
