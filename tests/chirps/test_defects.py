"""What is done wrong on purpose, and is it exactly what was asked for?"""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.chirps import cli, defects, readiness, releases, serve
from lab.chirps import settings as chirps_settings
from lab.chirps.app import make_app
from lab.chirps.defects import Defects, FailingRelease, Turns, parse
from lab.chirps.errors import BadConfiguration
from lab.chirps.readiness import Readiness
from tests.chirps import real
from tests.chirps.asgi import call
from tests.chirps.service import ENVIRON, ask, make_state, run
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures


def test_nothing_asked_for_is_nothing_done() -> None:
    assert parse("") == parse("  ") == Defects()


def test_each_defect_is_read_with_its_value() -> None:
    text = "post500:0.25, never-ready,slow-start:2,dead-pool:0,stuck-loop:1.5"

    assert parse(text) == Defects(
        post500=Fraction(1, 4),
        never_ready=True,
        slow_start_s=2,
        dead_pool_s=0,
        stuck_loop_s=1.5,
        names=("post500:0.25", "never-ready", "slow-start:2", "dead-pool:0", "stuck-loop:1.5"),
    )
    assert parse("post500").post500 == 1


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("post50", "'post50' is no defect: there are post500, never-ready"),
        ("post500:0", "'post500:0' must have a share above 0"),
        ("post500:1.01", "at most 1"),
        ("post500:", "'post500:' must have a share"),
        ("post500:1e-1", "must have a share"),
        ("post500:½", "must have a share"),
        ("post500:nan", "must have a share"),
        ("never-ready:1", "takes no value"),
        ("slow-start", "must have seconds, from 0 to 3600"),
        ("slow-start:-1", "must have seconds"),
        ("dead-pool:3601", "must have seconds"),
        ("stuck-loop:inf", "must have seconds"),
        ("never-ready,never-ready", "'never-ready' is there twice"),
        ("never-ready,", "'' is no defect"),
    ],
)
def test_a_mistake_is_named(text: str, mistake: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        parse(text)

    assert mistake in str(raised.value)


def test_all_mistakes_are_named_at_once_and_the_exit_code_is_78() -> None:
    with pytest.raises(BadConfiguration) as raised:
        parse("wrong,post500:2,slow-start")

    assert len(raised.value.mistakes) == 3
    assert raised.value.exit_code == 78


@given(st.text())
def test_any_text_is_either_read_or_refused(text: str) -> None:
    with suppress(BadConfiguration):
        assert isinstance(parse(text), Defects)


def test_a_mistake_in_a_defect_is_told_beside_all_others() -> None:
    environ = {"CHIRPS_DEFECT": "wrong", "CHIRPS_CODE": "v99", "CHIRPS_TRACK": "none"}
    asked = chirps_settings.read({**ENVIRON, **environ})

    with pytest.raises(BadConfiguration) as raised:
        serve.find_in_image(asked)

    assert len(raised.value.mistakes) == 3


@settings(deadline=None)
@given(share=st.fractions(min_value="0.001", max_value=1), turns=st.integers(0, 300))
def test_after_n_turns_exactly_that_share_was_taken(share: Fraction, turns: int) -> None:
    whose = Turns(share)

    taken = sum(whose.take() for _ in range(turns))

    assert taken == int(turns * share)


def test_a_third_is_taken_evenly() -> None:
    whose = Turns(Fraction(1, 3))

    assert [whose.take() for _ in range(6)] == [False, False, True, False, False, True]


ROW = (1, 7, "hello", None, datetime(2026, 1, 1, tzinfo=UTC))


def test_that_share_of_good_posts_answers_500_and_says_so() -> None:
    state = make_state([ROW], [ROW], [])
    failing = defects.release_with(parse("post500:0.5"), state.release)
    app = make_app(replace(state, release=failing))

    async def story() -> list[tuple[int, bytes]]:
        posts = [("POST", "/chirps", {"body": "hello"})] * 4
        answers = [await call(app, *each, user=7) for each in posts]
        return [(each.status, each.body) for each in answers]

    answers = asyncio.run(story())

    assert [status for status, _ in answers] == [201, 500, 201, 500]
    assert b"on purpose" in answers[1][1]
    assert len(state.database.asked) == 2  # type: ignore[attr-defined]
    assert state.tally.answers["create_chirp", 500, ""] == 2


def test_a_post_that_is_wrong_anyway_takes_no_turn() -> None:
    state = make_state()
    failing = replace(state, release=defects.release_with(parse("post500"), state.release))

    assert ask(failing, "POST", "/chirps", {"body": ""}, user=7).status == 400
    assert ask(failing, "POST", "/chirps", {"body": "x"}, user=7).status == 500


def test_a_failing_release_is_its_release_in_all_else() -> None:
    release = releases.load("v1")
    failing = defects.release_with(parse("post500"), release)

    assert isinstance(failing, FailingRelease)
    assert (failing.NUMBER, failing.REQUIRED_SCHEMA) == (release.NUMBER, release.REQUIRED_SCHEMA)
    assert defects.release_with(Defects(), release) is release


def test_who_is_never_ready_has_started_all_the_same() -> None:
    (check,) = defects.checks_with(parse("never-ready"))
    found = Readiness((check,))

    run(readiness.run(check))

    assert (found.is_started, found.is_ready(time.monotonic())) == (True, False)
    assert check.detail == "on purpose: CHIRPS_DEFECT has never-ready"


def test_a_slow_start_has_started_when_its_seconds_are_over() -> None:
    now = 100.0
    (check,) = defects.checks_with(parse("slow-start:5"), lambda: now)
    found = Readiness((check,))

    now = 104.9
    run(readiness.run(check))
    assert not found.is_started

    now = 105.1
    run(readiness.run(check))
    assert found.is_started


def test_a_dead_pool_gives_nothing_while_the_database_is_well(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    async def story() -> tuple[int, bytes]:
        async with real.serving(fresh_database, "v1", CHIRPS_POOL_TIMEOUT_S="0.1",
                                CHIRPS_DEFECT="dead-pool:0") as service:  # fmt: skip
            answer = await service.ask("GET", "/chirps")
            return answer.status, answer.body

    with fresh_database.connect() as connection:
        status, body = asyncio.run(story())
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert (status, b"no database connection came free within 0.1 s" in body) == (503, True)


def test_a_pool_that_is_to_die_is_well_until_then(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    async def story() -> Any:
        async with real.serving(fresh_database, "v1", CHIRPS_DEFECT="dead-pool:3600") as service:
            return await service.state.database.row("SELECT 1")

    assert run(story()) == (1,)


def test_a_loop_that_is_not_to_stick_goes_on() -> None:
    asyncio.run(asyncio.wait_for(defects.run(Defects()), 20))


def test_a_mistake_ends_the_program_with_78_before_it_listens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = {**ENVIRON, "CHIRPS_DEFECT": "typo"}

    assert cli.main(["serve"], environ) == 78
    assert "CHIRPS_DEFECT: 'typo' is no defect" in capsys.readouterr().err
