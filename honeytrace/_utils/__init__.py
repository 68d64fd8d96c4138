"""Errors, the guard, the clock, JSON and text: what every other room may use."""
