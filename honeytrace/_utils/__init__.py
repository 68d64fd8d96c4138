"""Errors, the guard, the clock, JSON and text: helpers that any other package may use."""
