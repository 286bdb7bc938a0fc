"""Where is a replay? Pure: whoever asks brings the time."""

from dataclasses import dataclass

SPEEDS = (1, 2, 5, 10, 20)


@dataclass(slots=True)
class Playhead:
    """`position_s` of `length_s` as of `now`, both in seconds; never beyond `limit_s`.

    `speed` is one of SPEEDS.
    """

    length_s: float
    now: float
    speed: int = 1
    paused: bool = False
    position_s: float = 0.0
    limit_s: float = float("inf")

    def move(self, now: float) -> float:
        """Return the position at `now`, which never goes back."""
        passed = 0.0 if self.paused else (now - self.now) * self.speed
        self.now = now
        self.position_s = min(self.position_s + max(passed, 0.0), self.length_s, self.limit_s)
        return self.position_s

    def seek(self, by_s: float, now: float) -> None:
        wanted = self.move(now) + by_s
        self.position_s = min(max(wanted, 0.0), self.length_s, self.limit_s)

    def pause(self, now: float) -> None:
        """Stand still, or go on."""
        self.move(now)
        self.paused = not self.paused

    def faster(self, steps: int, now: float) -> None:
        self.move(now)
        place = SPEEDS.index(self.speed) + (1 if steps > 0 else -1)
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]

    @property
    def is_over(self) -> bool:
        return self.position_s >= self.length_s
