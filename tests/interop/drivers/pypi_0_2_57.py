"""Starts the session given on stdin with PyPI honeyhive 0.2.57, reads it back, prints both answers.

The argument is the directory that the client is installed in. The package's `__init__` also
loads its tracer with everything that one traces, so an empty package stands in for it.
"""

import json
import sys
import types
from pathlib import Path

package = types.ModuleType("honeyhive")
package.__path__ = [str(Path(sys.argv[1], "honeyhive"))]
sys.modules["honeyhive"] = package
sys.path.insert(0, sys.argv[1])

from honeyhive.sdk import HoneyHive  # noqa: E402 (the stand-in has to be there first)

given = json.load(sys.stdin.buffer)
client = HoneyHive(bearer_auth="a-key", server_url=given["url"])
started = client.session.start_session(request={"session": given["session"]}).object
event = client.session.get_session(session_id=started.session_id).event
answers = {"session_id": started.session_id, "event": event.model_dump(mode="json")}
print(json.dumps(answers))
