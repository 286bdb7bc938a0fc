"""Show a stored run to a person: lines for a terminal, one self-contained page.

Everything shown comes from the run's directory alone. `view` computes once what both
`terminal` and `page` show, so that the same run has the same numbers everywhere.
"""
