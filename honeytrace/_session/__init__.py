"""Calls as sessions: while they run, when they have ended, and as JSON for the API."""
