"""The shapes that model providers give to answers and streams."""
