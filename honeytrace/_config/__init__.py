"""The settings, `configure()` and the live pipeline."""
