"""How is a password kept? Not for anything but this lab.

One SHA-256, a microsecond: a real hash is slow on purpose, and that would be measured here as
latency of the service.
"""

import hashlib
import hmac


def hash_password(password: str) -> str:
    return f"sha256:{hashlib.sha256(password.encode()).hexdigest()}"


def is_password(password: str, stored: str) -> bool:
    return hmac.compare_digest(hash_password(password).encode(), stored.encode())
