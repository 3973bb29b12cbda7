"""An emulated PLC on loopback, for tests and measurements: `python -m tools.studies.plc PORT`.

64 coils and 64 holding registers; each write is a line of JSON on stdout: {"t_mono_ns", "function", "address", "values"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def note(
    function: int, start: int, address: int, count: int, registers: list[int], values: list[int] | list[bool] | None
) -> ExcCodes | None:
    """Print a write."""
    if values is not None:
        line = {"t_mono_ns": time.monotonic_ns(), "function": function, "address": address, "values": list(values)}
        print(json.dumps(line), flush=True)
    return None


async def serve(port: int) -> None:
    """Until killed."""
    bits, words = ([SimData(0, count=n, values=0, datatype=kind)] for n, kind in ((4, DataType.BITS), (64, DataType.REGISTERS)))
    server = ModbusTcpServer(SimDevice(0, (bits, bits, words, words), action=note), address=("127.0.0.1", port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
