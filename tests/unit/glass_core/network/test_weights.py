"""Where weights are found, in which order, and what a person is told when they are not."""

import hashlib
import io
import urllib.error
import urllib.request
from dataclasses import replace
from email.message import Message
from pathlib import Path

import pytest
import torch

import glass_core.network.weights
from glass_core.backbones import BACKBONES, Backbone
from glass_core.errors import InputError, MissingError
from glass_core.network.weights import load_weights


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No weights on this machine, an empty torch hub cache, no network; the cache's folder."""
    monkeypatch.delenv("GLASSLINE_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def no_network(url: str, timeout: float) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    return tmp_path / "hub" / "checkpoints"


def put(path: Path, value: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"conv1.weight": torch.full((2,), value)}, path)
    return path


def named(file: str) -> Backbone:
    return replace(BACKBONES["resnet18"], file=file)


def value_for(arch: str, given: Path | None = None) -> float:
    return float(load_weights(arch, given)[0]["conv1.weight"][0])


def test_the_order_is_config_then_environment_then_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: Path
) -> None:
    monkeypatch.setitem(BACKBONES, "resnet18", named("resnet18-published.pth"))  # a name without checksum
    put(nowhere / "resnet18-published.pth", 3)
    assert value_for("resnet18") == 3
    monkeypatch.setenv("GLASSLINE_WEIGHTS", str(put(tmp_path / "w" / "resnet18-x.pth", 2).parent))
    assert value_for("resnet18") == 2
    assert value_for("resnet18", put(tmp_path / "any name.pth", 1)) == 1


def test_the_origin_names_file_and_digest(tmp_path: Path) -> None:
    path = put(tmp_path / "resnet18.pth")
    origin = load_weights("resnet18", path)[1]
    assert (origin.arch, origin.path) == ("resnet18", str(path))
    assert origin.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("arch", "wanted"),
    [("resnet50", "resnet50-b.pth"), ("wide_resnet50_2", "wide_resnet50_2-a.pth"), ("resnet18", "resnet18-f37072fd-x.pth")],
)
def test_a_folder_is_searched_for_the_architecture_and_not_for_its_namesake(tmp_path: Path, arch: str, wanted: str) -> None:
    for name in ("resnet50-b.pth", "wide_resnet50_2-a.pth", "resnet18-f37072fd-x.pth", "resnet18.txt", "resnet180.pth"):
        put(tmp_path / name)
    assert Path(load_weights(arch, tmp_path)[1].path).name == wanted


def test_a_folder_or_file_of_another_architecture_in_the_environment_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "w" / "wide_resnet50_2-a.pth")
    for place in (path, path.parent):
        monkeypatch.setenv("GLASSLINE_WEIGHTS", str(place))
        with pytest.raises(MissingError, match="resnet50"):
            load_weights("resnet50")


@pytest.mark.parametrize("name", ["resnet50-11ad3fa6.pth", "wide_resnet50_2-9ba9bcbe.pth"])
def test_imagenet_v2_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="V2"):
        load_weights(name.split("-")[0], put(tmp_path / name).parent)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="the config"):
        load_weights("resnet18", tmp_path / "absent.pth")
    monkeypatch.setenv("GLASSLINE_WEIGHTS", str(tmp_path / "absent"))
    with pytest.raises(InputError, match="GLASSLINE_WEIGHTS"):
        load_weights("resnet18")


@pytest.mark.parametrize("content", [b"", b"not a file of torch", b"PK\x03\x04 cut short", b"\x80\x02csystem\n."])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "resnet18.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"resnet18\.pth, ") as caught:
        load_weights("resnet18", path)
    assert "\n" not in str(caught.value)


def test_other_things_than_tensors_are_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "resnet18.pth")
    with pytest.raises(InputError, match="state dict"):
        load_weights("resnet18", tmp_path / "resnet18.pth")


def test_a_checksum_in_the_name_is_verified(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged"):
        load_weights("resnet18", put(tmp_path / "resnet18-00000000.pth"))


def test_without_network_the_file_and_its_place_are_named(nowhere: Path) -> None:
    with pytest.raises(MissingError) as caught:
        load_weights("wide_resnet50_2")
    for word in ("wide_resnet50_2-95faca4d.pth", str(nowhere), "GLASSLINE_WEIGHTS", "no network"):
        assert word in str(caught.value)
    assert not list(nowhere.glob("*"))


class Response(io.BytesIO):
    """What urlopen gives for a file of this content."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.headers = Message()
        self.headers["Content-Length"] = str(len(content))


@pytest.mark.parametrize("whole", [True, False])
def test_a_download_gets_its_name_only_when_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: Path, whole: bool
) -> None:
    content = put(tmp_path / "source.pth", 7).read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setitem(BACKBONES, "resnet18", named(name))
    asked: list[str] = []

    def fetch(url: str, timeout: float) -> Response:
        asked.append(url)
        return Response(content if whole else content[:-1])

    monkeypatch.setattr(urllib.request, "urlopen", fetch)
    if whole:
        assert value_for("resnet18") == 7
        assert value_for("resnet18") == 7
        assert asked == [glass_core.network.weights.PUBLISHER + name]  # the second time from the cache
    else:
        with pytest.raises(MissingError, match="checksum"):
            load_weights("resnet18")
        assert not list(nowhere.glob("*"))


def test_the_real_file_is_found_by_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.shared_data import shared

    monkeypatch.setenv("GLASSLINE_WEIGHTS", str(shared("weights")))
    state, origin = load_weights("resnet18")
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert Path(origin.path).name.startswith("resnet18")
