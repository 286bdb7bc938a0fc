"""What is a chirp to a client, and what may be asked about it?"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from psycopg.rows import TupleRow

LONGEST_BODY = 140


class Sort(StrEnum):
    """By id, which is the order of creation."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class Listing:
    author_id: int | None
    sort: Sort
    limit: int

    @property
    def parameters(self) -> dict[str, int | None]:
        return {"author_id": self.author_id, "limit": self.limit}


@dataclass(frozen=True, slots=True)
class NewChirp:
    author_id: int
    body: str
    client_ref: UUID | None

    @property
    def parameters(self) -> dict[str, Any]:
        return {"author_id": self.author_id, "body": self.body, "client_ref": self.client_ref}


@dataclass(frozen=True, slots=True)
class Chirp:
    """`body` is None where a release reads a column that another one did not write."""

    id: int
    author_id: int
    body: str | None
    client_ref: UUID | None
    created_at: datetime

    @classmethod
    def of(cls, row: TupleRow) -> Self:
        """Make it from a row in the order of the fields."""
        return cls(*row)

    def answer(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "author_id": self.author_id,
            "body": self.body,
            "client_ref": None if self.client_ref is None else str(self.client_ref),
            "created_at": self.created_at.isoformat(),
        }
