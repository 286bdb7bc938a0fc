"""How many sessions may a PostgreSQL of the lab have, wherever it runs?

https://www.postgresql.org/docs/18/runtime-config-connection.html#GUC-MAX-CONNECTIONS
"""

MAX_CONNECTIONS = 100
RESERVED_CONNECTIONS = 3
"""Kept free for roles with pg_use_reserved_connections: the observer is never locked out."""
