"""Copy any value within bounds, in a form that JSON can hold."""
