"""What holds for a Deployment whatever happens to it, by random histories."""

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.twin.play import make

RELEASES = st.sampled_from(["v1", "v2", "v3"])


class Rollouts(RuleBasedStateMachine):
    """Every rule ends with controllers at rest.

    All pods are on one node: by their node alone a ReplicaSet may take a pod that is
    available before one that is only ready.
    """

    @initialize(
        replicas=st.integers(1, 6),
        surge=st.integers(0, 3),
        unavailable=st.integers(0, 3),
        min_ready_s=st.sampled_from([0, 5]),
    )
    def start(self, replicas: int, surge: int, unavailable: int, min_ready_s: int) -> None:
        self.play = make(
            replicas=replicas,
            max_surge=surge or int(unavailable == 0),
            max_unavailable=unavailable,
            min_ready_seconds=min_ready_s,
        )
        self.play.grace_s = 7
        self.play.run(20)
        self.check_from = len(self.play.counts)
        self.scaled_up_to = self.play.deployment.spec.at_most

    @rule(release=RELEASES)
    def set_image(self, release: str) -> None:
        self.play.deployment = self.play.deployment.set_image(release)
        self.act()

    @rule()
    def undo(self) -> None:
        found = self.play.deployment
        if not found.spec.paused and len(found.sets) > 1:
            self.play.deployment = found.undo()
            self.act()

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        found = self.play.deployment
        self.play.deployment = found.pause() if paused else found.resume()
        self.act()

    @rule(releases=st.sets(RELEASES, max_size=2))
    def break_releases(self, releases: set[str]) -> None:
        self.play.never_ready = releases

    @rule(seconds=st.sampled_from([0.5, 3, 10, 70]))
    def wait(self, seconds: float) -> None:
        self.play.run(self.play.now + seconds)

    @precondition(lambda self: self.play.active)
    @rule(data=st.data())
    def lose_a_pod(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(sorted(self.play.active, key=lambda p: p.name)))
        self.play.end(pod.name)
        self.check_from = len(self.play.counts)
        self.act()

    def act(self) -> None:
        self.play.settle()

    @invariant()
    def never_more_pods_than_the_surge_allows(self) -> None:
        totals = [total for _, total, _ in self.play.counts]
        assert max(totals, default=0) <= self.play.deployment.spec.at_most

    @invariant()
    def controllers_take_no_pod_that_availability_needs(self) -> None:
        """What was lost by accident may be missing; what controllers do takes nothing below."""
        at_least = self.play.deployment.spec.at_least
        counts = [available for _, _, available in self.play.counts[self.check_from :]]
        for before, after in pairwise(counts):
            assert after >= min(before, at_least)

    @invariant()
    def counts_add_up(self) -> None:
        status = self.play.deployment.status
        assert status.available <= status.ready <= status.replicas
        assert status.updated <= status.replicas

    def teardown(self) -> None:
        """Whatever happened: with a release that gets ready it converges, else old pods stay."""
        if not hasattr(self, "play"):
            return
        play = self.play
        play.never_ready = set()
        play.deployment = play.deployment.resume().set_image("v4")
        play.run(play.now + 500)
        assert play.releases(ready=True) == ["v4"] * play.deployment.spec.replicas
        assert play.deployment.is_complete
        play.never_ready = {"v5"}
        play.deployment = play.deployment.set_image("v5")
        play.run(play.now + 500)
        assert not play.deployment.is_complete
        assert len([r for r in play.releases(ready=True) if r == "v4"]) >= (
            play.deployment.spec.at_least
        )


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
