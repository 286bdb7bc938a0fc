"""A release's password made wrong: the right one is not lost, whatever is done in between."""

import base64
from typing import Any

from lab.service import secrets


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Api:
    """One Secret, changed by merge patches as RFC 7386 has them."""

    def __init__(self) -> None:
        self.data: dict[str, str] = {"username": encoded("chirps_v2"), "password": encoded("right")}

    def get(self, path: str) -> dict[str, Any]:
        assert path.endswith("/secrets/postgres-chirps-v2")
        return {"data": dict(self.data)}

    def merge(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        for name, value in body["data"].items():
            if value is None:
                self.data.pop(name, None)
            else:
                self.data[name] = value
        return {}


def test_a_password_is_wrong_and_then_right_again():
    api, before = Api(), Api().data

    secrets.spoil(api, "v2")  # type: ignore[arg-type]
    assert api.data["password"] != before["password"]

    secrets.mend(api, "v2")  # type: ignore[arg-type]
    assert api.data == before


def test_doing_either_twice_changes_nothing():
    api, before = Api(), Api().data

    for _ in range(2):
        secrets.spoil(api, "v2")  # type: ignore[arg-type]
    for _ in range(2):
        secrets.mend(api, "v2")  # type: ignore[arg-type]

    assert api.data == before


def test_a_deploy_meanwhile_does_not_take_the_wrong_one_for_right():
    api = Api()
    secrets.spoil(api, "v2")  # type: ignore[arg-type]

    assert secrets._read(api, "chirps-v2") == "right"  # type: ignore[arg-type]
