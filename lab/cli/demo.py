"""lab demo: a scenario for a room, at the pace of whoever shows it."""

import contextlib
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _kind, _output, _series
from lab.cli._options import Name, Runs, Scenarios
from lab.cli.report import complete_run
from lab.cli.scenario import Clock, Scenario, complete_stage, scenarios_folder
from lab.cli.serve import Port, until_interrupted
from lab.errors import Interrupted, LabError, NoSuchRun, explain

if TYPE_CHECKING:
    import socket

    from lab.live.demo import Demo
    from lab.live.gate import Gate
    from lab.live.players import Played
    from lab.live.server import Server
    from lab.paths import Paths
    from lab.scenario.loader import Loaded
    from lab.stages.place import Place
    from lab.store import Run, Store

SHOWN = ("careless", "careful")


def demo(
    scenario: Scenario,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay",
            help="Show a stored run instead of playing one: nothing can go wrong.",
            metavar="RUN",
            autocompletion=complete_run,
        ),
    ] = None,
    every_step: Annotated[
        bool,
        typer.Option(
            "--every-step", help="Hold everything that is done, not only the first of it."
        ),
    ] = False,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            help="sandbox, kind or twin; what the lab's nodes are, unless told.",
            autocompletion=complete_stage,
        ),
    ] = None,
    name: Name = "lab",
    clock: Clock = "honest",
    port: Port = 8600,
    scenarios: Scenarios = None,
    runs: Runs = None,
) -> None:
    """Show a scenario to a room: it predicts, watches, and compares, careless and then careful.

    Two pages: one for the room, and one with notes and keys for whoever shows it.

    Examples:

        lab demo half-migrated-rename --stage twin

        lab demo half-migrated-rename --replay latest
    """
    from lab.cli.report import open_store
    from lab.live.server import bind
    from lab.paths import find_paths
    from lab.scenario import loader

    store, paths, folder = open_store(runs), find_paths(), scenarios_folder(scenarios)
    # First of all, so that a port that is taken is told before anything is done.
    with bind(port) as listener:
        if replay is not None:
            _refuse_choices(stage, clock)
            loaded = loader.load(folder, scenario)
            _replay(loaded, store.find(replay), store, listener, every=every_step)
            return
        stage = _kind.stage_of(stage, name)
        choice = _series.choose(paths, folder, (scenario,), stage=stage, lab_name=name, clock=clock)
        (loaded,) = choice.loaded
        _play(loaded, choice.place, store, paths, listener, every=every_step)


def _refuse_choices(stage: str | None, clock: str) -> None:
    if stage or clock != "honest":
        raise typer.BadParameter(
            "a stored run has the stage and the clock it was played with: --stage and --clock are "
            "about playing one",
            param_hint="--replay",
        )


def _replay(
    loaded: "Loaded", run: "Run", store: "Store", listener: "socket.socket", *, every: bool
) -> None:
    import time

    from lab.live.demo import Demo
    from lab.live.players import Replayed
    from lab.report import stored

    if run.scenario != loaded.scenario.name:
        raise NoSuchRun(
            f"run {run.id} is of another scenario than {loaded.scenario.name}",
            hint=f"lab demo {run.scenario} --replay {run.id}",
        )
    found = stored.load(run.path)
    variants = [each for each in SHOWN if each in run.variants] or list(run.variants)
    player = Replayed(found, time.monotonic, every=every)
    show = Demo(loaded, variants, player, keep=lambda said: store.write_guesses(run, said))
    server = _serve(show, listener)
    until_interrupted(server)


def _serve(show: "Demo", listener: "socket.socket") -> "Server":
    from lab.live.server import Server

    server = Server(show, listener)
    _output.note(f"For the room: {server.address}")
    _output.note(f"For you:      {server.trainer_address}")
    _output.note("n lets the next step go on; Ctrl-C ends it.")
    return server


def _play(
    loaded: "Loaded",
    place: "Place",
    store: "Store",
    paths: "Paths",
    listener: "socket.socket",
    *,
    every: bool,
) -> None:
    """Play here, in the main thread, where signals come; show from another."""
    from lab.live.demo import Demo
    from lab.live.gate import Gate
    from lab.live.players import Played

    gate = Gate(every=every)
    player, kept = Played(gate), _Kept(store)
    show = Demo(loaded, SHOWN, player, keep=kept)
    server = _serve(show, listener)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        _play_variants(loaded, place, store, paths, gate, player, kept)
        _output.note("Both were played; the pages stay until Ctrl-C.")
        thread.join()
    except Interrupted:
        _output.note("Stopped.")
    except (LabError, OSError) as error:
        failure = explain(error) if isinstance(error, OSError) else error
        if failure is not None and kept.run is not None:
            show.fail(failure.message, failure.hint or "")
            _stay(thread, failure)
        raise
    finally:
        server.stop()
        thread.join(timeout=3)


def _stay(serving: threading.Thread, error: LabError) -> None:
    """Leave the pages there with the failure: a room looks at them, and not at this terminal."""
    _output.note(f"The demonstration cannot go on: {error.message}")
    _output.note("The pages say so until Ctrl-C.")
    with contextlib.suppress(Interrupted):
        serving.join()


def _play_variants(
    loaded: "Loaded",
    place: "Place",
    store: "Store",
    paths: "Paths",
    gate: "Gate",
    player: "Played",
    kept: "_Kept",
) -> None:
    from lab.report.files import write_page
    from lab.report.follow import Follower
    from lab.stages import pace, play

    def begun(run: "Run") -> None:
        kept.begin(run)
        player.follow(Follower(run.path))

    chosen = [v for each in SHOWN for v in play.choose(loaded.scenario, each)]
    # Not once more when it proves nothing: a room would see two runs without being told why.
    playing = play.Playing(store, _output.make_progress(), may_retry=lambda _: False, begun=begun)
    played = playing.play(place, loaded, pace.one_by_one(chosen, gate))
    page = write_page(played.run.path, owner=paths.caller)
    _output.note(f"Report: {page}")


class _Kept:
    """Keeps what the room says beside the run; what it said before there was one, too."""

    def __init__(self, store: "Store") -> None:
        self.run: Run | None = None
        self._store, self._said = store, dict[str, object]()
        # A guess comes from the thread that serves, a run from the one that plays.
        self._lock = threading.Lock()

    def begin(self, run: "Run") -> None:
        with self._lock:
            self.run = run
            self._write()

    def __call__(self, said: dict[str, object]) -> None:
        with self._lock:
            self._said = said
            self._write()

    def _write(self) -> None:
        if self.run is not None and self._said:
            self._store.write_guesses(self.run, self._said)
