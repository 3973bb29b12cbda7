"""Basler through pylon's emulator: settings, triggers, pixels, failed buffers, removal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import AbsentError, InputError, MissingError
from pipeline.cameras import CameraLost, Shot, basler, make_camera
from pipeline.cameras.basler import BaslerCamera, _pypylon, list_devices
from pipeline.cameras.features import Features
from pipeline.cameras.picture import write_png
from pipeline.config.cameras import BaslerConfig
from tests.shared_data import ROOT

os.environ.setdefault("PYLON_CAMEMU", "2")  # before pylon's factory exists
SOFTWARE = {"selector": "FrameStart", "source": "Software"}
SMALL = {"Width": 64, "Height": 32, "ExposureTime": 80.0}

Open = Callable[..., tuple[BaslerCamera, dict[str, Any]]]


@pytest.fixture
def opened() -> Iterator[Open]:
    cameras: list[BaslerCamera] = []

    def make(**settings: Any) -> tuple[BaslerCamera, dict[str, Any]]:
        config = BaslerConfig.model_validate(
            {"name": "cam", "source": "basler", "serial": "0815-0000", "features": SMALL, **settings}
        )
        camera = make_camera(config)
        assert isinstance(camera, BaslerCamera)
        cameras.append(camera)
        return camera, camera.open()

    yield make
    for camera in cameras:
        camera.close()
        camera.close()


def node(camera: BaslerCamera, name: str) -> Any:
    return camera._camera.GetNodeMap().GetNode(name)


def take(camera: BaslerCamera, shots: Iterator[Shot | None]) -> Shot:
    """One picture, as the grabber asks for it."""
    for _ in range(60):
        camera.trigger()
        if shot := next(shots):
            return shot
    raise AssertionError("no picture in 3 s")


def pictures(folder: Path, count: int, shape: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    made = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(count)]
    folder.mkdir()
    for number, pixels in enumerate(made):
        write_png(folder / f"{number:06d}.png", pixels)
    return made


def from_folder(folder: Path, width: int, height: int, **more: Any) -> dict[str, Any]:
    return {
        "Width": width,
        "Height": height,
        "ExposureTime": 80.0,
        "TestImageSelector": False,  # as YAML reads Off
        "ImageFilename": str(folder),
        "ImageFileMode": True,
        **more,
    }


def test_facts_say_what_the_camera_is_and_how_it_is_set(opened: Open) -> None:
    camera, facts = opened(trigger=SOFTWARE)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["serial"], facts["emulated"], facts["device_class"]) == ("0815-0000", True, "BaslerCamEmu")
    features = facts["features"]
    assert len(features) > 50 and not any(name.startswith("EnumEntry") for name in features)
    assert {k: features[k] for k in ("Width", "Height", "TriggerMode", "TriggerSource")} == {
        "Width": "64",
        "Height": "32",
        "TriggerMode": "On",
        "TriggerSource": "Software",
    }
    assert not camera.self_timed and facts["nodes_missing"] == []


def test_each_software_trigger_gives_exactly_one_picture(opened: Open) -> None:
    camera, _ = opened(trigger=SOFTWARE)
    shots = camera.shots()
    assert next(shots) is None  # nothing was asked for
    taken = [take(camera, shots) for _ in range(20)]
    first = taken[0].block_id
    assert [s.block_id for s in taken] == list(range(first, first + 20))
    assert next(shots) is None
    assert all(s.pixels is not None and s.pixels.shape == (32, 64) and s.rows == 32 for s in taken)
    assert all(a.t_mono_ns < b.t_mono_ns for a, b in pairwise(taken))


def test_a_second_trigger_waits_for_the_first_picture(opened: Open) -> None:
    camera, _ = opened(trigger=SOFTWARE)
    shots = camera.shots()
    for _ in range(5):
        camera.trigger()
    assert next(s for s in shots if s) is not None
    assert next(shots) is None


def test_a_picture_that_never_comes_is_a_lost_camera(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    camera, _ = opened(trigger=SOFTWARE)
    camera.trigger()
    monkeypatch.setattr(basler, "PICTURE_MS", 0)
    with pytest.raises(CameraLost, match="gave no picture within"):
        camera.trigger()


def test_free_running_camera_is_self_timed(opened: Open) -> None:
    camera, _ = opened()
    assert camera.self_timed
    camera.trigger()  # nothing to do
    shots = camera.shots()
    seen = [s for s in (next(shots) for _ in range(8)) if s]
    assert len(seen) >= 3 and len({s.block_id for s in seen}) == len(seen)


@pytest.mark.parametrize("shape", [(256, 4096), (32, 64, 3)], ids=["strip", "rgb"])
def test_folder_of_images_comes_through_bit_exact_and_in_order(opened: Open, tmp_path: Path, shape: tuple[int, ...]) -> None:
    made = pictures(tmp_path / "strips", 4, shape)
    colour = {"PixelFormat": "RGB8Packed"} if len(shape) == 3 else {}
    features = from_folder(tmp_path / "strips", shape[1], shape[0], **colour)
    camera, _ = opened(features=features, trigger=SOFTWARE, buffers=2)
    shots = camera.shots()
    taken = [take(camera, shots) for _ in range(10)]  # kept while the two buffers are used again and again
    for number, shot in enumerate(taken):
        assert shot.pixels is not None and shot.pixels.dtype == np.uint8 and shot.pixels.flags.writeable
        assert np.array_equal(shot.pixels, made[number % 4])


@pytest.mark.parametrize(("pixel_format", "channels"), [("Mono12", 1), ("RGB8Packed", 3), ("BGR8Packed", 3), ("BayerRG8", 3)])
def test_every_pixel_format_becomes_mono8_or_rgb8(opened: Open, pixel_format: str, channels: int) -> None:
    features = {**SMALL, "PixelFormat": pixel_format, "TestImageSelector": "Testimage1"}
    camera, _ = opened(features=features, trigger=SOFTWARE)
    pixels = take(camera, camera.shots()).pixels
    assert pixels is not None and pixels.dtype == np.uint8
    assert pixels.shape == ((32, 64) if channels == 1 else (32, 64, 3))
    assert pixels.min() < 10 and 80 < pixels.max() <= 100  # the test picture is a ramp of 64 + 32 levels, not clipped


def test_two_cameras_at_once(opened: Open, tmp_path: Path) -> None:
    left, right = pictures(tmp_path / "l", 2, (32, 64)), [255 - p for p in pictures(tmp_path / "r", 2, (32, 64))]
    for number, pixels in enumerate(right):
        write_png(tmp_path / f"r/{number:06d}.png", pixels)
    cameras = [
        opened(serial=f"0815-000{n}", features=from_folder(tmp_path / side, 64, 32), trigger=SOFTWARE)[0]
        for n, side in enumerate("lr")
    ]
    sources = [(camera, camera.shots()) for camera in cameras]
    for number in range(6):
        for (camera, shots), made in zip(sources, (left, right), strict=True):
            shot = take(camera, shots)
            assert np.array_equal(shot.pixels, made[number % 2])
            assert shot.origin.startswith(camera._config.serial)


def test_failed_buffers_are_damaged_shots(opened: Open) -> None:
    camera, _ = opened(trigger=SOFTWARE)
    shots = camera.shots()
    good = take(camera, shots)
    node(camera, "ForceFailedBufferCount").SetValue(3)
    node(camera, "ForceFailedBuffer").Execute()
    after = [take(camera, shots) for _ in range(4)]
    assert [(s.pixels is None, s.rows, s.block_id - good.block_id) for s in after] == [
        (True, 32, 1),
        (True, 32, 2),
        (True, 32, 3),
        (False, 32, 4),
    ]
    assert all(s.error.startswith("0x") and "incompletely grabbed" in s.error for s in after[:3])
    assert not after[3].error


def test_missing_image_file_is_a_damaged_shot(opened: Open, tmp_path: Path) -> None:
    pictures(tmp_path / "p", 1, (32, 64))
    (tmp_path / "p/000001.png").write_text("no picture")
    camera, _ = opened(features=from_folder(tmp_path / "p", 64, 32), trigger=SOFTWARE)
    shots = camera.shots()
    assert [take(camera, shots).pixels is None for _ in range(2)] == [False, True]


def test_removal_is_noticed(opened: Open) -> None:
    camera, _ = opened(trigger=SOFTWARE)
    shots = camera.shots()
    take(camera, shots)
    node(camera, "FirePnPCallback").Execute()
    with pytest.raises(CameraLost, match=r"cam \(0815-0000\) was removed"):
        next(shots)
    camera.close()
    assert opened(trigger=SOFTWARE)[1]["serial"] == "0815-0000"  # a fresh one opens


@pytest.mark.parametrize("stall_ms", [None, 60.0])
def test_silence_of_a_self_timed_camera_is_a_fault_only_where_asked(opened: Open, stall_ms: float | None) -> None:
    wired = {"selector": "FrameStart", "source": "Line1"}  # no pulse ever comes
    camera, _ = opened(trigger=wired, stall_ms=stall_ms)
    assert camera.self_timed
    shots = camera.shots()
    if stall_ms is None:
        assert [next(shots) for _ in range(4)] == [None] * 4
    else:
        with pytest.raises(CameraLost, match="gave nothing for 60 ms"):
            [next(shots) for _ in range(4)]


def test_error_of_the_camera_is_a_lost_camera(opened: Open) -> None:
    camera, _ = opened(trigger=SOFTWARE)
    camera._camera.Close()  # as when the link breaks underneath
    with pytest.raises(CameraLost):
        for _ in range(3):
            camera.trigger()
            next(camera.shots())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"serial": "0815-9999"}, "no Basler camera with serial 0815-9999.*0815-0000, 0815-0001"),
        ({"features": {"NoSuchNode": 1}}, "no writable feature NoSuchNode"),
        ({"features": {"SensorWidth": 1}}, "no writable feature SensorWidth"),  # exists, read-only
        ({"features": {"Width": 5000}}, "feature Width: 5000 refused.*1 to 4096 in steps of 1"),
        ({"features": {"Width": "wide"}}, "feature Width: 'wide' refused"),
        ({"features": {"ExposureTime": 1e9}}, r"feature ExposureTime.*1 to 1e\+07 in steps of 0.1"),
        ({"features": {"PixelFormat": "Mono99"}}, "feature PixelFormat: 'Mono99' refused.*Mono8, Mono10"),
        ({"trigger": {"source": "Line9"}}, "feature TriggerSource: 'Line9' refused.*Software, Line1"),
        ({"features": {}, "rows": 5000}, "feature Height: 5000 refused"),
        ({"line_period_us": 50.0}, "exposure of 80 us does not fit into line_period_us 50"),
        ({"pfs": "nowhere.pfs"}, "no such .pfs file, nowhere.pfs"),
    ],
)
def test_what_the_camera_cannot_do_is_refused_in_one_line(opened: Open, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        opened(**settings)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 600


def test_value_within_the_increment_is_kept(opened: Open) -> None:
    _, facts = opened(features={**SMALL, "ExposureTime": 80.03, "ReverseX": True}, rows=16, line_period_us=100.0)
    assert float(facts["features"]["ExposureTime"]) == pytest.approx(80.0, abs=0.11)
    assert facts["features"]["ReverseX"] == "1"
    assert facts["features"]["Height"] == "32"  # named by the user: the buffer need not be a slab


def test_rows_set_the_height_where_it_is_not_named(opened: Open) -> None:
    _, facts = opened(features={"Width": 64}, rows=48)
    assert facts["features"]["Height"] == "48"


def test_nodes_that_the_model_lacks_are_reported(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    set_feature = Features.set
    monkeypatch.setattr(
        Features, "set", lambda self, name, value: name != "TriggerActivation" and set_feature(self, name, value)
    )
    _, facts = opened(trigger={"source": "Line1", "activation": "RisingEdge"})
    assert facts["nodes_missing"] == ["TriggerActivation"] and facts["features"]["TriggerSource"] == "Line1"


def test_pfs_file_is_loaded_and_then_the_features(opened: Open, tmp_path: Path) -> None:
    camera, _ = opened(features={**SMALL, "GainRaw": 200})
    from pypylon import pylon

    camera._camera.StopGrabbing()  # features that are locked while grabbing would be left out
    pylon.FeaturePersistence.Save(str(tmp_path / "x.pfs"), camera._camera.GetNodeMap())
    camera.close()
    _, facts = opened(features={"Height": 24}, pfs=tmp_path / "x.pfs")
    assert [facts["features"][n] for n in ("Width", "Height", "GainRaw")] == ["64", "24", "200"]
    (tmp_path / "x.pfs").write_text("Width\tabc\nNoSuch\t3\n")
    with pytest.raises(InputError, match=r"\.pfs file refused"):
        opened(pfs=tmp_path / "x.pfs")


def test_devices_are_listed() -> None:
    assert {d["serial"] for d in list_devices()} >= {"0815-0000", "0815-0001"}
    assert all(d["emulated"] for d in list_devices() if d["serial"].startswith("0815-"))


def test_without_pypylon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypylon", None)
    with pytest.raises(MissingError, match="pypylon not usable"):
        make_camera(BaslerConfig(name="a", source="basler", serial="1")).open()


def test_emulated_camera_needs_nothing_but_its_serial_and_leaves_cleanly() -> None:
    """In a process of its own, left without close: the emulator switches itself on, nothing crashes at exit."""
    script = (
        "from pipeline.cameras import make_camera\nfrom pipeline.config.line import BaslerConfig\n"
        "camera = make_camera(BaslerConfig(name='a', source='basler', serial='0815-0015'))\n"
        "print(camera.open()['emulated'], next(s for s in camera.shots() if s).rows)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYLON_CAMEMU"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["True", "1040"], "")


@pytest.mark.parametrize("trigger", [SOFTWARE, None])
def test_a_running_camera_is_set_and_says_how_many_pictures_were_begun_before(opened: Open, trigger: Any) -> None:
    camera, _ = opened(trigger=trigger, features={**SMALL, "AcquisitionFrameRate": 20.0})
    shots = camera.shots()
    first = take(camera, shots)
    unsettled = camera.adjust({"ExposureTime": 200.0})
    assert unsettled == 0 if trigger else unsettled >= 2
    assert node(camera, "ExposureTime").GetValue() == 200
    assert take(camera, shots).block_id == first.block_id + 1  # it was never stopped
    if trigger:
        camera.trigger()
        assert camera.adjust({"ExposureTime": 80.0}) == 1
        assert take(camera, shots).block_id == first.block_id + 2


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"ExposureTime": -1.0}, "feature ExposureTime: -1.0 refused"),
        ({"Width": 32}, "Width cannot be set while it runs"),
        ({"ExposureTime": 90.0}, "exposure of 90 us does not fit into line_period_us 85"),
    ],
)
def test_what_cannot_be_set_while_it_runs_is_refused(opened: Open, features: dict[str, Any], said: str) -> None:
    camera, _ = opened(line_period_us=85.0)
    with pytest.raises(InputError, match=said):
        camera.adjust(features)


@pytest.mark.parametrize("step", ["_set_up", "_start"])
def test_what_a_camera_refuses_that_is_there_is_an_error_of_the_config(
    opened: Open, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    _, genicam = _pypylon(emulate=True)

    def refuse(*asked: object) -> None:
        raise genicam.RuntimeException("not with these settings")

    monkeypatch.setattr(BaslerCamera, step, refuse)
    with pytest.raises(InputError, match="not with these settings") as refused:
        opened()
    assert not isinstance(refused.value, AbsentError)


def test_a_camera_that_goes_while_it_is_set_up_is_away(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    _, genicam = _pypylon(emulate=True)

    def go(camera: BaslerCamera, *asked: object) -> None:
        camera._camera.Close()
        raise genicam.RuntimeException("device has been removed")

    monkeypatch.setattr(BaslerCamera, "_start", go)
    with pytest.raises(AbsentError, match="device has been removed"):
        opened()


WIRE = {"line": "Line3", "user_output": "UserOutput2"}


def output(camera: BaslerCamera, name: str = "UserOutput2") -> bool:
    node(camera, "UserOutputSelector").FromString(name)
    return bool(node(camera, "UserOutputValue").GetValue())


def test_the_reject_line_is_off_when_it_is_led_to_its_pin_and_is_switched_and_off_at_the_end(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, Any]] = []
    real = Features.set
    monkeypatch.setattr(Features, "set", lambda *a: done.append(a[1:]) or real(*a))
    camera, facts = opened(reject_line=WIRE, features={**SMALL, "UserOutputSelector": "UserOutput2", "UserOutputValue": True})
    assert not output(camera) and facts["features"]["LineSource"] == "UserOutput2"
    assert done.index(("UserOutputValue", False)) < done.index(("LineSource", "UserOutput2"))
    node(camera, "UserOutputSelector").FromString("UserOutput1")  # as a person or a style may do
    camera.switch(True)
    assert output(camera) and not output(camera, "UserOutput1")
    node(camera, "LineSelector").FromString("Line3")
    assert node(camera, "LineSource").ToString() == "UserOutput2"
    camera.switch(False)
    assert not output(camera)
    camera.switch(True)
    done.clear()
    camera.close()
    assert done == [("UserOutputSelector", "UserOutput2"), ("UserOutputValue", False)]


@pytest.mark.parametrize("wrong", [{"line": "Line9"}, {"user_output": "UserOutput9"}])
def test_a_reject_line_that_the_camera_does_not_have_is_refused_with_those_it_has(opened: Open, wrong: dict[str, str]) -> None:
    (word,) = wrong.values()
    with pytest.raises(InputError, match=rf"{word}.*cam.*allowed: .*{word[:-1]}1") as refused:
        opened(reject_line={**WIRE, **wrong})
    assert "\n" not in str(refused.value)


def test_a_camera_that_is_gone_cannot_be_switched(opened: Open) -> None:
    camera, _ = opened(reject_line=WIRE)
    camera._camera.DestroyDevice()
    with pytest.raises(CameraLost, match="cam"):
        camera.switch(True)
