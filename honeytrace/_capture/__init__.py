"""Any value as a bounded copy that JSON can hold."""
