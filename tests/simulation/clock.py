"""The time that leases, retries and waits are measured by: it passes while nobody has work to do.

While a hook runs, time stands still, so that nothing depends on how fast the machine is. When all
is quiet and somebody waits, it jumps to what is due next, such as the end of a lease: 60 seconds
cost nothing. Real Pebbles and processes live in real time; whoever waits for one of them holds the
clock.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator

LOOK = 0.2  # Real seconds after which a thread looks again at what nobody tells it.
PATIENCE = 60.0  # Real seconds after which time goes on for a client, though units are busy.
Due = tuple[float, int, Callable[[], None]]
STEP = 5.0  # Seconds that pass when all is quiet and nothing is due.


class Clock:
    """Seconds since the model was made.

    Args:
        changed: The model's lock, which is held around every call.
        is_quiet: Whether nobody has anything to do before time passes.
    """

    def __init__(self, changed: threading.Condition, is_quiet: Callable[[], bool]):
        self.now = 0.0
        self.changes = 0
        self._changed = changed
        self._is_quiet = is_quiet
        self._due: list[Due] = []
        self._numbers = itertools.count()
        self._holds = 0
        self._looked = -1

    def notify(self) -> None:
        """Let everybody who waits look at what has changed."""
        with self._changed:
            self.changes += 1
            self._changed.notify_all()

    def at(self, when: float, callback: Callable[[], None] | None = None) -> Due:
        """Call back when it is so late, and return what is due."""
        due = (when, next(self._numbers), callback or self.notify)
        heapq.heappush(self._due, due)
        return due

    def advance(self, seconds: float) -> None:
        """Let time pass, whatever is going on."""
        target = self.now + seconds
        while self._due and self._due[0][0] <= target:
            self._jump()
        self.now = target

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait for some seconds or until something is so, and return whether it is."""
        deadline = self.at(self.now + seconds)
        while not until() and self.now < deadline[0]:
            if self._holds == 0 and self._is_quiet():
                self._jump()
            else:
                self._changed.wait(LOOK)
        if deadline in self._due:
            self._due.remove(deadline)
            heapq.heapify(self._due)
        return until()

    def sleep(self, seconds: float) -> None:
        """Let a client sleep between two looks at the model.

        It sleeps until all is quiet. If nothing has happened since it looked last, nothing will
        before what is due next: time jumps there.
        """
        real = time.monotonic() + max(seconds, PATIENCE)
        while not (quiet := self._holds == 0 and self._is_quiet()):
            if (left := real - time.monotonic()) <= 0:
                break
            self._changed.wait(min(left, LOOK))
        if quiet and self.changes == self._looked:
            due = self._due[0][0] - self.now if self._due else STEP
            seconds = max(seconds, due)
        self._looked = self.changes
        self.advance(seconds)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let no time pass by itself while real time does."""
        with self._changed:
            self._holds += 1
        try:
            yield
        finally:
            with self._changed:
                self._holds -= 1
                self.notify()

    def _jump(self) -> None:
        when, _, callback = heapq.heappop(self._due)
        self.now = max(self.now, when)
        callback()
