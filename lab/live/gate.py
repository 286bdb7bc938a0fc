"""Who lets the next step of a demonstration go on? A trainer, from another thread than plays."""

import threading


class Gate:
    """Holds the first thing that each variant does, or everything with `every`.

    `held` is the step that waits for the trainer, "" where none does.
    """

    def __init__(self, *, every: bool = False) -> None:
        self._every = every
        self._lock = threading.Lock()
        self._may_begin: dict[str, threading.Event] = {}
        self._open: set[tuple[str, str]] = set()
        self._let_on: set[str] = set()
        self._held: tuple[str, str] | None = None
        self._paused = False

    @property
    def held(self) -> str:
        held = self._held
        return held[1] if held else ""

    @property
    def is_paused(self) -> bool:
        return self._paused

    def begin(self, variant: str) -> None:
        self._event(variant).set()

    def wait_for(self, variant: str) -> None:
        event = self._event(variant)
        # In short pieces, so that Ctrl-C is heard.
        while not event.wait(0.5):
            pass

    def _event(self, variant: str) -> threading.Event:
        with self._lock:
            return self._may_begin.setdefault(variant, threading.Event())

    def may_pass(self, variant: str, step: str) -> bool:
        with self._lock:
            free = not self._every and variant in self._let_on and not self._paused
            if free or (variant, step) in self._open:
                self._held = None
                return True
            self._held = (variant, step)
            return False

    def let_on(self) -> None:
        """Let go on what is held; nothing where nothing is."""
        with self._lock:
            if self._held:
                self._open.add(self._held)
                self._let_on.add(self._held[0])
                self._held = None

    def pause(self) -> None:
        """Hold what comes next, or no longer."""
        with self._lock:
            self._paused = not self._paused
