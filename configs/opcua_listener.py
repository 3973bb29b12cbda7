"""What an OPC UA client does with a line: prints its state, and each result as it comes. `python opcua_listener.py URL`.

Copy it; it needs asyncua alone. A partial result is a defect, the final one a roll's end; both name their job. The server shows
OPC 40100-1: `VisionStateMachine`, `AutomaticModeStateMachine` below it, and ResultReadyEventType. Subscriptions end with the
connection, so this connects anew.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from asyncua import Client, ua

MACHINE_VISION = "http://opcfoundation.org/UA/MachineVision"
RESULT_READY = 1024


class Ear:
    """Prints what the server sends."""

    def event_notification(self, event: Any) -> None:
        """A result."""
        what = "defect" if event.IsPartial else "END OF ROLL"
        simulated = " (replayed)" if event.IsSimulated else ""
        print(f"{what} {event.ResultId.Id} of job {event.JobId.Id}{simulated}: {event.ResultContent[0]}", flush=True)

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """A state."""
        print(f"state {value.Text}", flush=True)


async def listen(url: str) -> None:
    """One connection, for as long as it holds."""
    async with Client(url) as client:
        await client.load_data_type_definitions()
        vision = await client.get_namespace_index(MACHINE_VISION)
        own = await client.get_namespace_index("urn:glassline")
        system = next(n for n in await client.nodes.objects.get_children() if n.nodeid.NamespaceIndex == own)
        machine = await system.get_child(f"{vision}:VisionStateMachine")
        automatic = await machine.get_child(f"{vision}:AutomaticModeStateMachine")
        subscription = await client.create_subscription(10, Ear())
        await subscription.subscribe_events(system, ua.NodeId(RESULT_READY, vision))
        await subscription.subscribe_data_change([await m.get_child("0:CurrentState") for m in (machine, automatic)])
        while True:
            await asyncio.sleep(1)
            await client.check_connection()


async def main(url: str) -> None:
    """Until Ctrl-C."""
    while True:
        try:
            await listen(url)
        except (TimeoutError, OSError, ua.UaError) as e:
            print(f"not connected: {e}", flush=True)
        await asyncio.sleep(2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="opc.tcp://127.0.0.1:4840/glassline")
    asyncio.run(main(parser.parse_args().url))
