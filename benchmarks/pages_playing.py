"""python -m benchmarks.pages_playing RUN SECONDS: play as `lab demo` does, and tell how late.

The pages are served from a thread; the main thread looks every 50 ms whether something is to be
done, as the stages do. It prints the port, and in the end by how many seconds each look came late.
RUN is the directory of a run of half-migrated-rename that is written meanwhile.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from lab import content
from lab.live.demo import Demo
from lab.live.gate import Gate
from lab.live.players import Played
from lab.live.server import Server, bind
from lab.report.follow import Follower
from lab.scenario import loader

LOOK_EVERY_S = 0.05
VARIANT = "careless"


def main(run: Path, seconds: float) -> None:
    with bind(0) as listener:
        server = Server(playing(run), listener)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        tell(listener.getsockname()[1])
        # Whoever looks on has to be there first.
        time.sleep(1)
        tell(list(looks(seconds)))
        server.stop()
        thread.join(timeout=5)


def playing(run: Path) -> Demo:
    """Return a demonstration whose first variant is being played."""
    gate = Gate()
    player = Played(gate)
    player.follow(Follower(run))
    loaded = loader.load(content.folder("scenarios"), "half-migrated-rename")
    demo = Demo(loaded, (VARIANT, "careful"), player, keep=lambda _: None)
    demo.act("step", None)
    gate.may_pass(VARIANT, "migrate")
    demo.act("step", None)
    return demo


def looks(seconds: float) -> Iterator[float]:
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        time.sleep(LOOK_EVERY_S)
        yield time.monotonic() - began - LOOK_EVERY_S


def tell(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
