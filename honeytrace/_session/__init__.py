"""The record of a call: running, finished, on the wire."""
