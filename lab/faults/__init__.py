"""What can be done to the service while it is measured, and how each effect is seen.

Each fault is a value with the Protocol `lab.scenario.stage.Fault`, and asks one small
capability of the stage, which is a Protocol in the module of the fault.
"""

from lab.faults.ask import Ask, CanAsk
from lab.faults.database import CanStopDatabase, StartDatabase, StopDatabase
from lab.faults.delete_pod import CanDeletePod, DeletePod
from lab.faults.drain import CanDrain, Drain
from lab.faults.isolate import CanIsolate, Isolate, Rejoin
from lab.faults.migrate import CanMigrate, Migrate
from lab.faults.node import CanPowerOff, CanStopAgent, PowerOff, PowerOn, StartAgent, StopAgent
from lab.faults.rollout import CanPause, CanUndo, Pause, Resume, Undo
from lab.faults.run_sql import CanRunSql, RunSql
from lab.faults.scale import CanScale, CanSetStrategy, Scale, SetStrategy
from lab.faults.session import (
    CanHoldSession,
    CanTerminateBackends,
    HoldSession,
    TerminateBackends,
)
from lab.faults.set_image import CanSetImage, SetImage
from lab.faults.wrong_secret import CanSpoilSecret, RightSecret, WrongSecret

__all__ = [
    "Ask",
    "CanAsk",
    "CanDeletePod",
    "CanDrain",
    "CanHoldSession",
    "CanIsolate",
    "CanMigrate",
    "CanPause",
    "CanPowerOff",
    "CanRunSql",
    "CanScale",
    "CanSetImage",
    "CanSetStrategy",
    "CanSpoilSecret",
    "CanStopAgent",
    "CanStopDatabase",
    "CanTerminateBackends",
    "CanUndo",
    "DeletePod",
    "Drain",
    "HoldSession",
    "Isolate",
    "Migrate",
    "Pause",
    "PowerOff",
    "PowerOn",
    "Rejoin",
    "Resume",
    "RightSecret",
    "RunSql",
    "Scale",
    "SetImage",
    "SetStrategy",
    "StartAgent",
    "StartDatabase",
    "StopAgent",
    "StopDatabase",
    "TerminateBackends",
    "Undo",
    "WrongSecret",
]
