"""What the program chirps can end with, and the exit code of each.

    ChirpsError
    ├── BadConfiguration    78  the environment holds mistakes; all of them are told
    ├── NoSuchRelease       78  this image has no code of that name
    ├── Refused              1  no: the database is not in a state that allows it
    ├── CannotTell           2  the database did not answer
    ├── NoRight              2  this role may not do it, so nobody knows whether it would go
    ├── NoSuchTrack          2  this image has no migrations of that name
    └── NoSuchVersion        2  the track has no file of that version

78 is EX_CONFIG of sysexits.h: who sees it in a container's status knows that starting
again will not help. What clients of the service are told is in `lab.chirps.failures`.
"""

from collections.abc import Sequence

EXIT_REFUSED = 1
EXIT_CANNOT_TELL = 2
EXIT_USAGE = 2
EXIT_CONFIGURATION = 78


class ChirpsError(Exception):
    """A failure the program knows about; its text is for the person who started it.

    `next_steps` are what to type then, empty where nobody knows.
    """

    exit_code = EXIT_REFUSED

    def __init__(self, message: str, *, next_steps: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.next_steps = tuple(next_steps)


class BadConfiguration(ChirpsError):
    """All `mistakes` of the environment, one a line."""

    exit_code = EXIT_CONFIGURATION

    def __init__(self, mistakes: Sequence[str]) -> None:
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        super().__init__(f"the configuration has mistakes:\n{lines}")
        self.mistakes = tuple(mistakes)


class NoSuchRelease(ChirpsError):
    exit_code = EXIT_CONFIGURATION


class Refused(ChirpsError):
    pass


class CannotTell(ChirpsError):
    exit_code = EXIT_CANNOT_TELL


class NoRight(ChirpsError):
    exit_code = EXIT_CANNOT_TELL


class NoSuchTrack(ChirpsError):
    exit_code = EXIT_USAGE


class NoSuchVersion(ChirpsError):
    exit_code = EXIT_USAGE
