"""What can be done to the service while it is measured, and how each effect is seen.

Each fault is a value with the Protocol `lab.scenario.stage.Fault`, and asks one small
capability of the stage, which is a Protocol in the module of the fault.
"""

from lab.faults.migrate import CanMigrate, Migrate
from lab.faults.set_image import CanSetImage, SetImage

__all__ = ["CanMigrate", "CanSetImage", "Migrate", "SetImage"]
