"""What are things called that a controller makes?"""

import secrets

from lab.twin.spec import SAFE

LENGTH = 5


def suffix() -> str:
    """Return the end of a generated name, as of a pod."""
    return "".join(secrets.choice(SAFE) for _ in range(LENGTH))
