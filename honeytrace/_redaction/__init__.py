"""Take secrets out of a session."""
