"""A password and an e-mail address are taken out before the session is stored."""

import honeytrace
from honeytrace import trace_session


def hide_email(path: str, value: object) -> object:
    return "[an e-mail address]" if path.endswith(".email") else value


@trace_session
def sign_up(email: str, password: str) -> dict[str, object]:
    return {"email": email, "strong": len(password) > 10}


honeytrace.configure(redact=hide_email)  # in addition to the built-in rules
with trace_session("Sign-up") as session:
    sign_up("ada@example.com", "correct horse")

honeytrace.flush()
recorded = honeytrace.get_session(session.children_ids[0])
print(recorded.inputs)
print(recorded.outputs)
