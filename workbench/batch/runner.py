"""Jobs over workers: the next longest job goes to a free worker, and a worker that dies costs no job."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from workbench.errors import DeviceError

PATIENCE = 5  # deaths in a row, without anything done between them, until a job or a place is given up
TICK = 0.5  # seconds between two looks at the workers, so that those who read the news can tell the time

Tell = Callable[[Any], None]
"""What a job calls with news of itself; it raises KeyboardInterrupt once nobody listens any more."""

Work = Callable[[Any, Tell], Any]
"""What a job does, called with what its worker keeps (a pipeline); it and what it returns can be pickled."""


@dataclass(eq=False)
class Job:
    """One piece of work."""

    name: str
    work: Work
    weight: float = 0.0
    """how long it should take, in any unit; may be learnt while it waits"""


Kind = Literal["begun", "told", "done", "failed", "stopped", "died", "tick"]


@dataclass(frozen=True)
class News:
    """What became known. ``value``: what the job told or returned, why it failed, or why its worker died, after which
    another one goes on with it; a "tick" is of no job."""

    kind: Kind
    job: Job | None = None
    place: str = ""
    value: Any = None


@dataclass(eq=False)
class Hand:
    """A worker."""

    place: str
    """what it works on: ``cuda:0``"""
    inner: Any
    """what the crew calls it by"""
    job: Job | None = None
    begun: bool = False


class Crew(Protocol):
    """Workers of one kind."""

    @property
    def places(self) -> Sequence[str]:
        """One for each worker."""
        ...

    def start(self, place: str) -> Any: ...

    def give(self, inner: Any, job: Job) -> None:
        """Hand over a job; the worker takes it up as soon as it can."""
        ...

    def wait(self, inners: Sequence[Any], seconds: float) -> list[tuple[Any, str, Any]]:
        """What the workers said: "begun", "told", "done", "failed" and "stopped" of a job; "unable" with the exception
        of one that cannot work at all; "died" with the reason."""
        ...

    def close(self, *, kindly: bool) -> None:
        """End all workers. ``kindly``: those at work are told to stop, and waited for."""
        ...


def run_jobs(
    crew: Crew, jobs: Sequence[Job], *, tries: int = PATIENCE, started: Sequence[Any] = ()
) -> Generator[News, None, None]:
    """Does all jobs, longest first, and yields what happens.

    A job whose worker dies is begun again, by another worker; after ``tries`` deaths in a row in which it told nothing
    new it has failed. ``started``: what the crew's ``start`` gave before, for its first places. Raises what a worker
    raised that cannot begin (ModelError, DeviceError), and DeviceError when all of them have died before they could.
    Ending the iteration early stops the workers.
    """
    schedule = _Schedule(crew, jobs, tries)
    schedule.hands += map(Hand, crew.places, started)
    kindly = True
    try:
        yield from schedule.run()
        kindly = False  # nobody is at work
    finally:
        crew.close(kindly=kindly)


@dataclass
class _Schedule:
    crew: Crew
    jobs: Sequence[Job]
    tries: int
    waiting: list[Job] = field(init=False)
    hands: list[Hand] = field(default_factory=list)
    deaths: Counter[Any] = field(default_factory=Counter)
    """In a row, of a job and of a place."""

    def run(self) -> Iterator[News]:
        self.waiting = list(self.jobs)
        for place in self.crew.places[len(self.hands) : len(self.jobs)]:
            self._start(place)
        looked = 0.0
        while self.waiting or any(hand.job for hand in self.hands):
            for hand in self.hands:
                if hand.job is None and self.waiting:
                    hand.job, hand.begun = max(self.waiting, key=lambda job: job.weight), False
                    self.waiting.remove(hand.job)
                    self.crew.give(hand.inner, hand.job)
            by_inner = {id(hand.inner): hand for hand in self.hands}
            for inner, kind, value in self.crew.wait([hand.inner for hand in self.hands], TICK):
                yield from self._heard(by_inner[id(inner)], kind, value)
            if time.monotonic() - looked >= TICK:
                looked = time.monotonic()
                yield News("tick")

    def _start(self, place: str) -> None:
        self.hands.append(Hand(place, self.crew.start(place)))

    def _heard(self, hand: Hand, kind: str, value: Any) -> Iterator[News]:
        job = hand.job
        if kind == "unable":
            raise value
        if kind == "died":
            self.hands.remove(hand)
            yield from self._died(hand, str(value))
            return
        if job is None:  # late news of a job that was given up
            return
        hand.begun = True
        self.deaths[hand.place] = 0
        if kind == "told":
            self.deaths[job] = 0
        if kind in ("done", "failed", "stopped"):
            hand.job = None
        yield News(kind, job, hand.place, value)  # type: ignore[arg-type]

    def _died(self, hand: Hand, reason: str) -> Iterator[News]:
        job, place = hand.job, hand.place
        blamed = job is not None and hand.begun
        key = job if blamed else place
        self.deaths[key] += 1
        given_up = self.deaths[key] >= (self.tries if blamed else PATIENCE)
        if job is not None and not (blamed and given_up):
            self.waiting.append(job)
        if self.waiting and (blamed or not given_up):
            self._start(place)
        elif self.waiting and not self.hands:
            raise DeviceError(f"no worker can begin: {PATIENCE} in a row ended before their first clip ({reason}).")
        if job is not None:
            yield News("died", job, place, reason)
        if blamed and given_up:
            often = f"its worker died {self.tries} times without getting on ({reason})"
            yield News("failed", job, place, reason if self.tries == 1 else often)
