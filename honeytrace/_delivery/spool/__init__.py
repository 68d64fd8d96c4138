"""Sessions on disk until they are delivered."""
