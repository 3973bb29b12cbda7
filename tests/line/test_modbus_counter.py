"""The counter of a real Modbus TCP server on loopback, and what is said when it goes away."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from pipeline.config.motion import ModbusMotion
from pipeline.messages.motion import Motion
from pipeline.messages.stages import Counted, Status
from pipeline.messages.states import StageState
from pipeline.motion import MotionStage, make_source
from tests.fakes import Box

SERVER = """
import sys
from pymodbus.server import StartTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
registers = [SimData(30, values=[1, 500, 0], datatype=DataType.REGISTERS)]
StartTcpServer(SimDevice(1, simdata=registers), address=("127.0.0.1", int(sys.argv[1])))
"""
LIMIT_S = 20.0


def test_a_server_is_read_and_its_silence_is_a_fault(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    box = Box()
    config = ModbusMotion(source="modbus", host="127.0.0.1", port=port, register=30, counts_per_mm=10, silent_ms=300)  # type: ignore[call-arg]
    stage = MotionStage(make_source(config, Box, None), box, [])
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)]) as server:
        try:
            end_s = time.monotonic() + LIMIT_S
            while not box.take(Motion):
                assert time.monotonic() < end_s and server.poll() is None
                stage.step(time.monotonic_ns())
                time.sleep(0.005)
            assert isinstance(stage.kept, Counted) and stage.kept.raw == 65536 + 500
        finally:
            server.kill()
    box.take(Status)
    end_s = time.monotonic() + LIMIT_S
    said: list[Status] = []
    while len(said) < 2:
        assert time.monotonic() < end_s
        stage.step(time.monotonic_ns())
        said += box.take(Status)
        time.sleep(0.005)
    assert said[0].state is StageState.DEGRADED and f"127.0.0.1:{port} does not answer" in said[0].detail
    assert said[1].state is StageState.FAULT and "encoder silent for over 300 ms, motion modbus" in said[1].detail
    stage.close()
