"""Carries a chaos plan out, which its caller heals afterwards. Runs in the demo's event loop."""

import asyncio
from collections.abc import Callable, Mapping

from simulators.demo.chaos import ChaosPlan, Kill
from simulators.demo.processes import Child
from simulators.demo.wan import Wan


class Havoc:
    """Breaks children and one line, as planned. `told` is given one sentence for each step."""

    def __init__(
        self, plan: ChaosPlan, children: Mapping[str, Child], wan: Wan, told: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._children = children
        self._wan = wan
        self._told = told

    async def run(self) -> None:
        """Carry the plan out, to its end or until cancelled."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        async with asyncio.TaskGroup() as away:
            for step in self._plan.steps:
                await asyncio.sleep(begin_s + step.at_s - loop.time())
                if isinstance(step, Kill):
                    away.create_task(self._kill(step))
                else:
                    self._told(f"WAN of {self._plan.store}: {step.line}")
                    self._wan.become(step.line)

    async def _kill(self, kill: Kill) -> None:
        child = self._children[kill.name]
        self._told(f"{kill.name}: killed, back in {kill.pause_s:.1f} s")
        await child.kill()
        await asyncio.sleep(kill.pause_s)
        await child.start()
