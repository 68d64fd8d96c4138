"""Settings, `configure()` and the live pipeline."""
