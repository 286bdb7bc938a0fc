"""A scenario is refused where a stage cannot show what it needs, with the reasons."""

from dataclasses import replace

import pytest

from lab.errors import BadInput
from lab.scenario import mistakes, needs
from lab.scenario.needs import Need
from tests.scenario.test_runner import Nudge, scenario_of

NO_NODES = {Need.NODES: "its pods are processes of one machine"}


def test_what_needs_nothing_special_can_be_shown_anywhere():
    needs.refuse(scenario_of(Nudge()), "twin", NO_NODES, others=("sandbox",))


def test_what_needs_something_that_is_lacking_is_refused_with_the_reason_and_where_to_go():
    scenario = replace(scenario_of(Nudge()), needs=("nodes", "eviction"))

    with pytest.raises(BadInput) as refused:
        needs.refuse(scenario, "twin", NO_NODES, others=("sandbox",))

    assert "nodes: its pods are processes of one machine" in refused.value.message
    assert "eviction" not in refused.value.message
    assert refused.value.hint == f"lab scenario run {scenario.name} --stage sandbox"


def test_where_no_stage_can_show_it_none_is_offered():
    scenario = replace(scenario_of(Nudge()), needs=("nodes",))

    with pytest.raises(BadInput) as refused:
        needs.refuse(scenario, "twin", NO_NODES, others=())

    assert refused.value.hint is None


def test_a_need_that_there_is_not_is_a_mistake_of_the_scenario():
    scenario = replace(scenario_of(Nudge()), needs=("helicopter",))

    assert any("needs 'helicopter'" in mistake for mistake in mistakes.find(scenario))
