"""Show a run on a page while it goes on, or again: a small server on loopback.

It reads what a run has written and never asks the run for anything, so nobody who looks on can
be in its way. What acts (pause, step, speed) needs a token that only the terminal is told.
"""
