"""`trace_session`: how calls are wrapped, and how sessions begin and end."""
