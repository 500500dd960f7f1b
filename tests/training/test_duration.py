"""A budget of minutes is kept, whatever the machine does, and ends with a decayed rate. The clock is false."""

import math
import random
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from quasistatic.config import TrainingConfig
from quasistatic.training.duration import START, Course, Decision, Session
from quasistatic.training.optimizer import learning_rate


class Clock:
    """A clock that stands still until it is told how much time has passed."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def simulated(
    clock: Clock, budget: float, seconds: Callable[[float], float], look: float = 0.0, every: float = 30.0
) -> tuple[int, Course]:
    """Spend a budget as the loop does; return the steps taken and the course. The end takes twice a look."""
    session, course, step = Session(0.0, budget, lambda: 2 * look), Course(), 0
    looked = 0.0
    while not course.over(step):
        clock.now += seconds(session.clock())
        step += 1
        session.stepped()
        steps = session.plan(step, course.at(step))
        if steps is not None:
            course.decide(step, steps)
        if session.clock() - looked > every:
            clock.now += look
            looked = session.paused()
    clock.now += 2 * look
    return step, course


def bursts(t: float, chance: random.Random = random.Random(1)) -> float:  # noqa: B008
    """A shared machine: steps of 0.1 s, and every now and then some of a second."""
    return 0.1 if chance.random() < 0.9 else chance.uniform(0.2, 2.0)


MACHINES: dict[str, tuple[float, Callable[[float], float]]] = {
    "steady": (600.0, lambda t: 0.2),
    "three times slower": (600.0, lambda t: 0.2 if t < 300 else 0.6),
    "three times faster": (600.0, lambda t: 0.6 if t < 300 else 0.2),
    "slower near the end": (600.0, lambda t: 0.2 if t < 570 else 0.6),
    "faster near the end": (600.0, lambda t: 0.6 if t < 570 else 0.2),
    "four times slower after the trial": (360.0, lambda t: 0.2 if t < 3 else 0.8),
    "four times faster after the trial": (360.0, lambda t: 0.8 if t < 9 else 0.2),
    "a first step of a minute": (300.0, lambda t: 60.0 if t == 0 else 0.1),
    "slow first steps, then fifty times faster": (120.0, lambda t: 1.0 if t < 6 else 0.02),
    "steps of four seconds": (60.0, lambda t: 4.0),
    "a short run": (5.0, lambda t: 0.05),
    "in bursts": (600.0, bursts),
    "swinging": (600.0, lambda t: 0.2 * (2 + math.sin(t / 20))),
    "a day": (86_400.0, lambda t: 30.0 if t < 40_000 else 90.0),
}


@pytest.mark.parametrize("look", [0.0, 1.0], ids=["no looks", "looks of a second"])
@pytest.mark.parametrize("name", MACHINES)
def test_a_budget_is_kept(clock: Clock, name: str, look: float) -> None:
    """Within 3 % or two seconds, the last scores and files included; half of the seconds of a slow step is added."""
    budget, seconds = MACHINES[name]
    began = clock.now
    step, course = simulated(clock, budget, seconds, look)
    assert abs(clock.now - began - budget) <= max(0.03 * budget, 2.0, seconds(budget) / 2)
    assert course.over(step)
    assert len(course.decisions) < 600


@pytest.mark.parametrize("name", MACHINES)
def test_the_rate_never_jumps_and_ends_decayed(clock: Clock, name: str) -> None:
    """The cosine falls by a thousandth or less of the peak per step in a long run, and is at its floor at the end."""
    budget, seconds = MACHINES[name]
    step, course = simulated(clock, budget, seconds, 1.0)
    done = [course.at(n).done(n) for n in range(step + 1)]
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert 0.5 * (1 + math.cos(math.pi * done[-2])) < 0.02 or step < 20
    settings = TrainingConfig(warmup=50, learning_rate=1.0, final_rate=0.1)
    rates = [learning_rate(settings, n, course.at(n).done) for n in range(step)]
    warm = min(50, step // 5)
    assert all(late <= early for early, late in pairwise(rates[warm + 5 :]))
    if step > 500:
        assert max(abs(a - b) for a, b in pairwise(rates)) < 0.06
        assert max(rates) > 0.9


def test_the_warm_up_is_that_of_a_run_with_set_steps(clock: Clock) -> None:
    """While the machine is steady, a budget gives the rates of a run with as many steps."""
    step, course = simulated(clock, 200.0, lambda t: 0.2)
    settings = TrainingConfig(warmup=100, learning_rate=1.0)
    fixed = Course.fixed(step)
    for n in range(step):
        planned, wanted = (learning_rate(settings, n, one.at(n).done) for one in (course, fixed))
        assert planned == pytest.approx(wanted, abs=0.02)


def test_what_comes_before_and_between_counts(clock: Clock) -> None:
    """A session that begins late, or pauses for long, has so many steps fewer."""
    session = Session(40.0, 100.0, lambda: 10.0)
    for _ in range(10):
        clock.now += 1.0
        session.stepped()
    assert session.plan(10, START) == 10 + 40
    clock.now += 20.0
    assert session.paused() == 70.0
    clock.now += 1.0
    session.stepped()
    assert session.plan(11, Decision(10, 0.1, 11)) < 11 + 20


def test_a_run_with_set_steps_is_never_planned(clock: Clock) -> None:
    session, course = Session(0.0, None, lambda: 0.0), Course.fixed(1000)
    for step in range(1, 1001):
        clock.now += 5.0
        session.stepped()
        assert session.plan(step, course.at(step)) is None
    assert [course.at(step).done(step) for step in (0, 250, 1000)] == [0.0, 0.25, 1.0]
    assert course.over(1000)
    assert not course.over(999)


def test_few_epochs_are_said_once(clock: Clock) -> None:
    """Not by the first steps, which are slow, but once there is a decision; and never if there are many."""
    session = Session(0.0, 1680.0, lambda: 0.0)

    def said(seen: int) -> Iterator[str | None]:
        for step in range(1, 10):
            clock.now += 4.0 if step == 1 else 0.5
            session.stepped()
            session.plan(step, START)
            yield session.on_epochs(seen, 50_000)

    notes = list(said(85_000))
    assert [note is not None for note in notes] == [False] * 4 + [True] + [False] * 4
    assert "the budget of 28 minutes is about 1.7 epochs of 50,000 examples; raise training.minutes" in str(notes[4])
    session = Session(0.0, 1680.0, lambda: 0.0)
    assert set(said(10**9)) == {None}


def test_a_limit_of_epochs_ends_a_run_before_its_minutes(clock: Clock) -> None:
    session, course, notes = Session(0.0, 1000.0, lambda: 0.0, most=200), Course(), []
    for step in range(1, 201):
        clock.now += 1.0
        session.stepped()
        steps = session.plan(step, course.at(step))
        if steps is not None:
            course.decide(step, steps)
        notes.append(session.on_epochs(course.at(step).steps * 8, 400))
    assert {decision.steps for decision in course.decisions} == {200}
    assert course.over(200)
    (told,) = filter(None, notes)
    assert told.startswith("the run ends after 4 epochs, before its 16.7 minutes; training.epochs=none")
    session = Session(0.0, 100.0, lambda: 0.0, most=200)
    for _ in range(19):
        clock.now += 1.0
        session.stepped()
    assert session.plan(19, START) == pytest.approx(100, abs=1)


def test_decisions_go_through_json() -> None:
    course = Course([Decision(5, 0.0, 100), Decision(40, 1 / 3, 70)])
    again = Course.of(course.rows())
    assert again.decisions == course.decisions
    assert again.at(4) is START
    assert again.at(39).done(39) == pytest.approx(34 / 95)
    assert again.at(40).done(55) == pytest.approx(2 / 3)
    assert not again.known(41)
    assert again.known(40)


@pytest.mark.parametrize(
    "rows",
    [
        7,
        [[1, 0.5]],
        [[1, 0.5, 2, 3]],
        [[9, 0.5, 20], [3, 0.6, 20]],
        [[9, 0.5, 8]],
        [[1, 1.5, 2]],
        [[1, math.nan, 2]],
        [[-1, 0.5, 2]],
        [["1", 0.5, 2]],
        [[1.0, 0.5, 2]],
    ],
)
def test_damaged_decisions_are_refused(rows: object) -> None:
    with pytest.raises(ValueError, match=r"decisions should be|must be"):
        Course.of(rows)
