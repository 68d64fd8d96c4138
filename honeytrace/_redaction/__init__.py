"""Take secrets out of a session.

How to add a rule:

- A provider's key: add a line to a table in `providers.py`, and the format as the provider
  documents it to `DOCUMENTED` in `tests/unit/redaction/test_provider_keys.py`.
- A name: add a word to a list in `secret_words.py`, and the name to `test_secret_names.py`.
- A notation, such as a new way to give a value to a name: write a function from a text to the
  spans of its secrets. Put it beside those that it resembles (`named_values.py`, `declarations.py`,
  `sayings.py`, `calls.py`, `markup.py`, `tables.py`, `command_lines.py`, `statements.py`, `sql.py`,
  `credentials.py`), and add it to `FINDERS` in `finders.py`. Add examples to `test_notations.py`:
  some that it finds, and some that look alike and stay.

How a session is redacted: `redact.py` calls `suspects` in `secrets.py`, which returns the finders
that may find something in its texts. Usually there are none, and the session is returned as it is.
Otherwise the texts are cleaned one by one: `secrets.py` replaces the spans that these finders yield
with markers.
"""
