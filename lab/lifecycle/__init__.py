"""The life of a lab: up, status, stop, start, down."""
