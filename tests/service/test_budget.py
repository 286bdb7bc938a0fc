"""How many pods a disruption budget wants healthy, however it is written."""

import pytest

from lab.service.budget import desired_healthy


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 4}, 4),
        ({"minAvailable": "100%"}, 4),
        ({"minAvailable": "30%"}, 2),
        ({"maxUnavailable": 1}, 3),
        ({"maxUnavailable": 0}, 4),
        ({"maxUnavailable": "30%"}, 2),
        ({"maxUnavailable": 9}, 0),
    ],
)
def test_of_four_pods_so_many_must_stay(spec: dict[str, object], expected: int) -> None:
    assert desired_healthy(spec, 4) == expected
