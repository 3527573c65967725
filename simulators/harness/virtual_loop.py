"""An asyncio event loop with virtual time, no threads and no sockets.

When nothing is ready, time jumps to the next timer. What other code would run on a thread runs on
the loop, after a delay drawn from the seed: so threads finish in another order with each seed, and
in the same order with the same one. Callbacks keep asyncio's first-in-first-out promise.

Each callback belongs to the life of a process that was current when it was scheduled (`LIFE`). Who
was killed gets no turn any more: its tasks stand still where they are, as after SIGKILL, and none
of their `finally` blocks runs.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, NamedTuple, Protocol, TypeVar, TypeVarTuple, Unpack

THREAD_DELAY_MAX_S: Final = 0.003
"""How long a thread takes at most for what it was given."""

TURNS_MAX: Final = 800_000
"""A usual run takes 200,000 turns; one that takes so many is livelocked."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Living(Protocol):
    """What a callback belongs to."""

    def takes_turn(self, handle: asyncio.Handle) -> bool:
        """Say whether the callback may run now; a pause keeps it for later, a death for ever."""


LIFE: Final[contextvars.ContextVar[Living | None]] = contextvars.ContextVar("life", default=None)


class Livelocked(Exception):
    """The simulation takes turns for ever without getting anywhere."""


class NumberedTask(asyncio.Task[Any]):
    """A task whose hash does not depend on where it lies in memory.

    asyncio keeps tasks in sets; with addresses as hashes, the order in which a group cancels its
    tasks would differ from run to run.
    """

    def __init__(
        self, number: int, life: Living | None, coro: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> None:
        self._number = number
        self.life = life
        super().__init__(coro, **kwargs)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Turn(NamedTuple):
    handle: asyncio.Handle
    life: Living | None


class _Timer(NamedTuple):
    at_s: float
    number: int
    """Of two that are due at once, the one that was set first comes first."""
    handle: asyncio.TimerHandle
    life: Living | None


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs until a coroutine is done. `rng` decides how long threads take."""

    _is_running = False
    _is_closed = False

    def __init__(self, rng: Random, turns_max: int = TURNS_MAX) -> None:
        super().__init__()
        self.steps = 0
        self.failures: Final[list[dict[str, Any]]] = []
        """What asyncio would only have logged."""
        self._rng: Final = rng
        self._turns_max: Final = turns_max
        self._now_s = 0.0
        self._waiting: Final[deque[_Turn]] = deque()
        self._timers: Final[list[_Timer]] = []
        self._count = 0

    # Time and turns.

    def time(self) -> float:
        """Return virtual seconds since the loop began."""
        return self._now_s

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Schedule a turn, after all that are scheduled now."""
        handle = asyncio.Handle(callback, args, self, context)
        self._waiting.append(_Turn(handle, _life(context)))
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """As `call_soon`: there are no threads."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a turn after `delay` seconds."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a turn at a virtual second."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, _Timer(when, self._number(), handle, _life(context)))
        return handle

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asyncio tells of a cancelled timer; it is passed over when it is due."""

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func` on the loop, after as long as a thread might take."""
        del executor
        future: asyncio.Future[T] = self.create_future()

        def perform() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 # Handed to whoever waits.
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_later(self._rng.random() * THREAD_DELAY_MAX_S, perform)
        return future

    # Running.

    def run_until_complete(self, future: Awaitable[T] | Generator[Any, None, T]) -> T:
        """Take turns until it is done, and return its result. Raises `Livelocked`."""
        assert isinstance(future, Awaitable)  # noqa: S101 # Nobody runs bare generators any more.
        main = asyncio.ensure_future(future, loop=self)
        asyncio._set_running_loop(self)  # noqa: SLF001 # Documented for loops of one's own.
        self._is_running = True
        try:
            while not main.done():
                self._take_turns()
        finally:
            self._is_running = False
            asyncio._set_running_loop(None)  # noqa: SLF001 # As above.
        return main.result()

    def _take_turns(self) -> None:
        if not self._waiting:
            self._let_time_pass()
        for _ in range(len(self._waiting)):
            handle, life = self._waiting.popleft()
            if handle.cancelled() or (life is not None and not life.takes_turn(handle)):
                continue
            self.steps += 1
            handle._run()  # noqa: SLF001 # What a loop does with a handle.
        if self.steps > self._turns_max:
            raise Livelocked(f"{self.steps} turns in {self._now_s:.0f} virtual seconds")

    def _let_time_pass(self) -> None:
        timers = self._timers
        while timers and timers[0].handle.cancelled():
            heappop(timers)
        if not timers:
            raise Livelocked("everybody waits, and nobody for time")
        self._now_s = max(self._now_s, timers[0].at_s)
        while timers and timers[0].at_s <= self._now_s:
            timer = heappop(timers)
            self._waiting.append(_Turn(timer.handle, timer.life))

    # What asyncio asks of a loop.

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """Return a task that is about to begin. Nobody here asks for its name."""
        del name
        assert isinstance(coro, Coroutine)  # noqa: S101 # Nobody makes tasks of generators any more.
        return NumberedTask(self._number(), _life(context), coro, loop=self, context=context)

    def is_running(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return self._is_running

    def is_closed(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return self._is_closed

    def close(self) -> None:
        """Take no turn any more."""
        self._is_closed = True
        self._waiting.clear()
        self._timers.clear()

    def get_debug(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Note what nobody caught."""
        self.failures.append(context)


def _life(context: contextvars.Context | None) -> Living | None:
    return LIFE.get() if context is None else context.get(LIFE)
