"""Take back what a run that was cut short left, from what it wrote down before it did it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lab.errors import LabError
from lab.faults import (
    CanDrain,
    CanHoldSession,
    CanIsolate,
    CanMigrate,
    CanPause,
    CanPowerOff,
    CanRunSql,
    CanScale,
    CanSetImage,
    CanSetStrategy,
    CanSpoilSecret,
    CanStopAgent,
    CanStopDatabase,
)


class CanHeal(
    CanDrain,
    CanHoldSession,
    CanIsolate,
    CanMigrate,
    CanPause,
    CanPowerOff,
    CanRunSql,
    CanScale,
    CanSetImage,
    CanSetStrategy,
    CanSpoilSecret,
    CanStopAgent,
    CanStopDatabase,
    Protocol,
):
    """A stage with every capability that faults may have used."""


def heal(undo: Mapping[str, Any], stage: CanHeal) -> None:
    """Do what the `undo` of a fault says; a second time changes nothing.

    Raises LabError for an entry that no fault of this lab writes.
    """
    act = _of_service(undo, stage) or _of_database(undo, stage) or _of_nodes(undo, stage)
    if act is None:
        raise LabError(
            f"a run left something that this lab cannot take back: {dict(undo)}",
            hint="lab down; lab up",
        )
    act()


Act = Callable[[], None]


def _of_service(undo: Mapping[str, Any], stage: CanHeal) -> Act | None:
    match undo:
        case {"nothing": str()}:
            return lambda: None
        case {"set_image": str(release), "variables": dict() | None as variables}:
            return lambda: stage.set_image(release, variables)
        case {"clear_migration": _}:
            return stage.clear_migration
        case {"resume": True}:
            return stage.resume
        case {"scale": int(replicas)}:
            return lambda: stage.scale(replicas)
        case {"set_strategy": [int() | str() as surge, int() | str() as unavailable]}:
            return lambda: stage.set_strategy(surge, unavailable)
    return None


def _of_database(undo: Mapping[str, Any], stage: CanHeal) -> Act | None:
    match undo:
        case {"end_session": str(name)}:
            return lambda: stage.end_session(name)
        case {"run_sql": "", "name": _}:
            return lambda: None
        case {"run_sql": str(sql), "name": str(name)}:
            return lambda: stage.run_sql(name, sql)
        case {"start_database": True}:
            return lambda: stage.start_database(wait=True)
        case {"restore_secret": str(release)}:
            return lambda: stage.restore_secret(release)
    return None


def _of_nodes(undo: Mapping[str, Any], stage: CanHeal) -> Act | None:
    match undo:
        case {"rejoin": str(what)}:
            return lambda: stage.rejoin(what, wait=True)
        case {"start_agent": str(node)}:
            return lambda: stage.start_agent(node, wait=True)
        case {"power_on": str(node)}:
            return lambda: stage.power_on(node, wait=True)
        case {"uncordon": str(node)}:
            return lambda: stage.uncordon(node)
    return None
