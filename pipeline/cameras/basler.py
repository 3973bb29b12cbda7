"""Basler cameras through pylon, real and emulated; the only file that imports pypylon.

No SDK callbacks and no unbounded waits: a camera that fails, stalls or vanishes raises CameraLost, and its process is
replaced. pylon's emulator (serials 0815-xxxx, environment PYLON_CAMEMU) goes the same way as hardware.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from glass_core.errors import AbsentError, InputError, MissingError
from pipeline.cameras.blocks import Blocks
from pipeline.cameras.features import Features, first_line
from pipeline.cameras.protocol import CameraLost, Shot
from pipeline.config.cameras import BaslerConfig, RejectLineConfig
from pipeline.config.styles import Scalar

WAIT_MS = 50
"""Longest silence before `shots` gives a None."""
READY_MS = 500
"""A camera that cannot take a trigger for so long is lost."""
PICTURE_MS = 3000
"""A camera whose picture does not come so long after its software trigger is lost."""
EMULATED = "0815-"
"""How serials of pylon's emulated cameras begin."""
EMULATOR = "BaslerCamEmu"


class BaslerCamera:
    """One Basler camera, found by its serial.

    `latest_only` shows the newest picture and skips those in between; inspection never uses it.
    """

    def __init__(self, config: BaslerConfig, latest_only: bool = False) -> None:
        self._config = config
        self._latest_only = latest_only
        self.self_timed = not (config.trigger and config.trigger.source == "Software")
        self.noisy = not config.serial.startswith(EMULATED)
        self._where = f"camera {config.name} ({config.serial})"
        self._camera: Any = None
        self._converter: Any = None
        self._height = 0
        self._triggered_ns: int | None = None
        self._missing: list[str] = []

    def open(self) -> dict[str, Any]:
        """Find, set and start the camera; what it is and every feature it lets read.

        `nodes_missing` lists what the line asks for by itself and the model does not have. AbsentError: no camera of that
        serial answers, another program holds it, or it goes meanwhile. InputError: a .pfs file or a feature that the camera
        refuses or does not keep, an exposure longer than the line period, a camera that does not begin to grab.
        """
        pylon, genicam = _pypylon(emulate=self._config.serial.startswith(EMULATED))
        try:
            return self._open(pylon, genicam)
        except genicam.GenericException as e:
            gone, why = self._is_gone(genicam), f"{first_line(e)}, {self._where}"
            self.close()
            if gone:
                raise AbsentError(f"cannot open: {why}, see that it is plugged in and that no other program holds it") from None
            raise InputError(f"cannot set up or start: {why}, see its settings") from None
        except BaseException:
            self.close()
            raise

    def trigger(self) -> None:
        """Pulse TriggerSoftware when the camera is ready for it; once, until that picture has come.

        CameraLost where the camera does not become ready, or the picture does not come.
        """
        if self.self_timed or self._camera is None:
            return
        now_ns = time.monotonic_ns()
        if self._triggered_ns is not None:
            if now_ns - self._triggered_ns > PICTURE_MS * 1_000_000:
                raise CameraLost(f"{self._where} gave no picture within {PICTURE_MS} ms of its trigger")
            return
        pylon, genicam = _pypylon()
        try:
            if not self._camera.WaitForFrameTriggerReady(READY_MS, pylon.TimeoutHandling_Return):
                raise CameraLost(f"{self._where} was not ready for a trigger within {READY_MS} ms")
            self._camera.GetNodeMap().GetNode("TriggerSoftware").Execute()
            self._triggered_ns = now_ns
        except genicam.GenericException as e:
            raise CameraLost(f"{self._where}: {first_line(e)}") from None

    def adjust(self, features: dict[str, Scalar]) -> int:
        """Set features while it grabs. A picture that was triggered before is not of them; of a self-timed camera those in
        the buffers are not, nor the one that it exposes and the one that it reads out.
        """
        _, genicam = _pypylon()
        try:
            for name, value in features.items():
                if not self._features.set(name, value):
                    raise InputError(f"feature {name} cannot be set while it runs, {self._where}, take it out of `styles`")
            if self._config.line_period_us is not None:
                self._check_exposure(genicam, self._config.line_period_us)
            return 2 + int(self._camera.NumReadyBuffers.Value) if self.self_timed else int(self._triggered_ns is not None)
        except genicam.GenericException as e:
            raise CameraLost(f"{self._where}: {first_line(e)}") from None

    def switch(self, on: bool) -> None:
        """Set the user output of `reject_line`."""
        assert self._config.reject_line is not None
        _, genicam = _pypylon()
        try:
            self._set_output(self._config.reject_line, on)
        except (genicam.GenericException, InputError) as e:
            raise CameraLost(f"{self._where}: {first_line(e)}") from None

    def shots(self) -> Iterator[Shot | None]:
        """Buffers in order, the failed ones too; None after WAIT_MS of silence. CameraLost where that is too long."""
        pylon, genicam = _pypylon()
        stall_ns = int(self._config.stall_ms * 1e6) if self._config.stall_ms and self.self_timed else None
        last_ns = time.monotonic_ns()
        blocks = Blocks(self._config.buffers)
        while True:
            try:
                if self._camera is None or self._camera.IsCameraDeviceRemoved():
                    raise CameraLost(f"{self._where} was removed")
                result = self._camera.RetrieveResult(WAIT_MS, pylon.TimeoutHandling_Return)
            except genicam.GenericException as e:
                raise CameraLost(f"{self._where}: {first_line(e)}") from None
            now_ns = time.monotonic_ns()
            if not result.IsValid():
                if stall_ns is not None and now_ns - last_ns > stall_ns:
                    raise CameraLost(f"{self._where} gave nothing for {self._config.stall_ms:g} ms")
                yield None
                continue
            last_ns, self._triggered_ns = now_ns, None
            try:
                shot = self._shot(pylon, result, blocks, now_ns)
            except genicam.GenericException as e:
                raise CameraLost(f"{self._where}: {first_line(e)}") from None
            finally:
                result.Release()
            yield shot

    def close(self) -> None:
        """Stop, close and let go of the device, whatever state it is in."""
        camera, self._converter = self._camera, None
        if camera is None:
            return
        _, genicam = _pypylon()
        if (wire := self._config.reject_line) is not None:
            with contextlib.suppress(genicam.GenericException, InputError):
                self._set_output(wire, False)
        self._camera = None
        for step in (camera.StopGrabbing, camera.Close, camera.DestroyDevice):
            with contextlib.suppress(genicam.GenericException):  # a removed device refuses; the rest must go on
                step()

    def _is_gone(self, genicam: Any) -> bool:
        """Whether it was never open, or is no longer there."""
        try:
            return self._camera is None or not self._camera.IsOpen() or bool(self._camera.IsCameraDeviceRemoved())
        except genicam.GenericException:
            return True

    def _open(self, pylon: Any, genicam: Any) -> dict[str, Any]:
        self._missing, self._triggered_ns = [], None
        factory = pylon.TlFactory.GetInstance()
        emulator = pylon.DeviceInfo()
        emulator.SetDeviceClass(EMULATOR)
        emulated = self._config.serial.startswith(EMULATED)  # then the network is not asked, which takes long
        found = factory.EnumerateDevices([emulator]) if emulated else factory.EnumerateDevices()
        devices = {device.GetSerialNumber(): device for device in found}
        device = devices.get(self._config.serial)
        if device is None:
            raise AbsentError(
                f"no Basler camera with serial {self._config.serial}, camera {self._config.name}, see that it has power and "
                f"network, or set serial to one of those present: {', '.join(sorted(devices)) or 'none'}"
            )
        self._camera = pylon.InstantCamera(factory.CreateDevice(device))
        self._camera.Open()
        self._features = Features(genicam, self._camera.GetNodeMap(), self._where)
        self._set_up(pylon, genicam)
        facts = {
            "source": "basler",
            "serial": self._config.serial,
            "model": device.GetModelName(),
            "device_class": device.GetDeviceClass(),
            "emulated": emulated,
            "height": self._height,
            "width": int(self._camera.GetNodeMap().GetNode("Width").GetValue()),
            "nodes_missing": self._missing,
            "features": self._features.read_all(),
        }
        self._start(pylon)
        return facts

    def _set_up(self, pylon: Any, genicam: Any) -> None:
        config, nodes = self._config, self._camera.GetNodeMap()
        if config.pfs is not None:
            if not config.pfs.is_file():
                raise InputError(f"no such .pfs file, {config.pfs}, {self._where}: save one with the pylon Viewer")
            try:
                pylon.FeaturePersistence.Load(str(config.pfs), nodes, True)
            except genicam.GenericException as e:
                raise InputError(f".pfs file refused: {first_line(e)}, {config.pfs}, save it from this model") from None
        for name, value in config.features.items():
            if not self._features.set(name, value):
                raise InputError(f"no writable feature {name}, {self._where}, take it out of `features`")
        if config.trigger is not None:
            wanted: dict[str, Scalar | None] = {
                "TriggerSelector": config.trigger.selector,
                "TriggerMode": "On",
                "TriggerSource": config.trigger.source,
                "TriggerActivation": config.trigger.activation,
            }
            for name, setting in wanted.items():
                if setting is not None:
                    self._ask(name, setting)
            if not self.self_timed and (
                {"TriggerMode", "TriggerSource"} & set(self._missing)
                or not genicam.IsWritable(nodes.GetNode("TriggerSoftware"))
            ):
                raise InputError(f"no software trigger, {self._where}, take out `trigger` or name a wired source")
        if (wire := config.reject_line) is not None:
            self._set_output(wire, False)  # before it is led to the pin
            self._set_wire("LineSelector", wire.line)
            self._features.set("LineMode", "Output")  # a pin that is nothing else has no choice
            self._set_wire("LineSource", wire.user_output)
        if config.rows is not None and "Height" not in config.features:
            self._ask("Height", config.rows)
        if config.line_period_us is not None:
            self._check_exposure(genicam, config.line_period_us)
        self._height = int(nodes.GetNode("Height").GetValue())

    def _ask(self, name: str, value: Scalar) -> None:
        """Set what the line itself asks for; a model without that node is reported, not refused."""
        if not self._features.set(name, value):
            self._missing.append(name)

    def _set_output(self, wire: RejectLineConfig, on: bool) -> None:
        self._set_wire("UserOutputSelector", wire.user_output)
        self._set_wire("UserOutputValue", on)

    def _set_wire(self, name: str, value: Scalar) -> None:
        if not self._features.set(name, value):
            raise InputError(f"no writable feature {name}, {self._where}, take out `reject_line` or see to its line")

    def _check_exposure(self, genicam: Any, line_period_us: float) -> None:
        for name in ("ExposureTime", "ExposureTimeAbs"):
            node = self._camera.GetNodeMap().GetNode(name)
            if node is not None and genicam.IsReadable(node):
                if node.GetValue() > line_period_us:
                    raise InputError(
                        f"exposure of {node.GetValue():g} us does not fit into line_period_us "
                        f"{line_period_us:g}, {self._where}, set the feature {name} lower"
                    )
                return
        self._missing.append("ExposureTime")

    def _start(self, pylon: Any) -> None:
        self._camera.MaxNumBuffer.Value = self._config.buffers
        self._converter = pylon.ImageFormatConverter()
        self._converter.OutputBitAlignment.Value = pylon.OutputBitAlignment_MsbAligned
        self._camera.StartGrabbing(pylon.GrabStrategy_LatestImageOnly if self._latest_only else pylon.GrabStrategy_OneByOne)

    def _shot(self, pylon: Any, result: Any, blocks: Blocks, now_ns: int) -> Shot | None:
        block_id = blocks.count(result.GetBlockID(), result.GetNumberOfSkippedImages())
        if block_id is None:
            return None
        pixels, error = None, ""
        if result.GrabSucceeded():
            pixels = self._pixels(pylon, result)
            self._height = pixels.shape[0]
        else:
            error = f"0x{result.GetErrorCode() & 0xFFFFFFFF:08X} {result.GetErrorDescription()}".strip()
        return Shot(
            pixels=pixels,
            rows=self._height,
            block_id=block_id,
            t_mono_ns=now_ns,
            t_utc_ns=time.time_ns(),
            encoder_count=self._encoder_count(result),
            origin=f"{self._config.serial}#{block_id}",
            error=error,
        )

    def _encoder_count(self, result: Any) -> int | None:
        """The count in the buffer's chunk data; None where none is asked for, or the buffer brought none."""
        if self._config.encoder_chunk is None or not result.IsChunkDataAvailable():
            return None
        node = result.GetChunkDataNodeMap().GetNode(self._config.encoder_chunk)
        return None if node is None else int(node.GetValue())

    def _pixels(self, pylon: Any, result: Any) -> np.ndarray:
        """The picture as Mono8 or RGB8, copied out of the buffer."""
        kind = result.GetPixelType()
        if kind == pylon.PixelType_Mono8 and result.GetPaddingX() == 0:
            return np.array(result.GetArray())
        mono = pylon.IsMonoImage(kind)
        self._converter.OutputPixelFormat = pylon.PixelType_Mono8 if mono else pylon.PixelType_RGB8packed
        return np.array(self._converter.Convert(result).GetArray())


def list_devices() -> list[dict[str, Any]]:
    """The Basler cameras present: serial, model, class, emulated. MissingError where pypylon is not usable."""
    pylon, _ = _pypylon()
    devices = [
        {
            "serial": d.GetSerialNumber(),
            "model": d.GetModelName(),
            "class": d.GetDeviceClass(),
            "emulated": d.GetDeviceClass() == EMULATOR,
        }
        for d in pylon.TlFactory.GetInstance().EnumerateDevices()
    ]
    return sorted(devices, key=lambda d: str(d["serial"]))


def _pypylon(emulate: bool = False) -> tuple[Any, Any]:
    """The modules pylon and genicam; with `emulate` the emulator is switched on first, where it was not told how many."""
    if emulate:
        os.environ.setdefault("PYLON_CAMEMU", "16")  # read once, when the transport layer is first used
    try:
        with warnings.catch_warnings():
            # SWIG's types warn while they are made; where warnings are errors, pypylon's import then crashes the process
            warnings.simplefilter("ignore", DeprecationWarning)
            from pypylon import genicam, pylon
    except Exception as e:  # a broken installation raises anything
        raise MissingError(f"pypylon not usable: {first_line(e)}, this machine, pip install pypylon") from None
    return pylon, genicam
