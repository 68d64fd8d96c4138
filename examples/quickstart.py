"""The smallest program: a decorated function, called in a session, and the tree of both."""

import honeytrace
from honeytrace import trace_session
from honeytrace.cli import main as honeytrace_command


@trace_session
def greeting(name: str, language: str = "en") -> str:
    return {"en": "Hello", "fr": "Bonjour"}[language] + f", {name}!"


with trace_session("Welcome", user_properties={"user": "u-1"}) as session:
    session.outputs = {"text": greeting("Ada", language="fr")}
    print(session.outputs["text"])

honeytrace.flush()  # the session is written in the background
honeytrace_command(["show", session.session_id])
