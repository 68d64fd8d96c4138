"""The checks of `honeytrace doctor`."""
