"""The command `doctor`: check the settings, the files, and the way to the server."""
