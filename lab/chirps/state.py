"""What does one running process know? Made once, given to all who need a part of it."""

from dataclasses import dataclass, field

from lab.chirps.accounts import Tally
from lab.chirps.database import Database, Pool
from lab.chirps.defects import Defects
from lab.chirps.discriminator import Discriminator
from lab.chirps.drain import Drain
from lab.chirps.liveness import Pulse
from lab.chirps.readiness import Readiness
from lab.chirps.releases import Release
from lab.chirps.schema import Schema
from lab.chirps.settings import Settings


@dataclass(frozen=True, slots=True)
class State:
    """`known_schema` is the highest version among the migrations in this image."""

    settings: Settings
    release: Release
    pool: Pool
    database: Database
    readiness: Readiness
    known_schema: int
    schema: Schema = field(default_factory=Schema)
    tally: Tally = field(default_factory=Tally)
    pulse: Pulse = field(default_factory=Pulse)
    drain: Drain = field(default_factory=Drain)
    discriminator: Discriminator = field(default_factory=Discriminator)
    defects: Defects = field(default_factory=Defects)
