"""Call a recorded function again, or write the call down as a test."""
