"""Where a trunk's ImageNet weights are found: config, $GLASSLINE_WEIGHTS, torch hub's cache, the publisher."""

import hashlib
import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import wrap_file
from torch import Tensor

from glass_core.backbones import backbone
from glass_core.errors import InputError, MissingError
from glass_core.network.checkpoint import WeightsOrigin
from glass_core.network.model import Glass

PUBLISHER = "https://download.pytorch.org/models/"
MAX_BYTES = 1 << 30
TIMEOUT_S = 10.0
_CHECKSUM = re.compile(r"-([0-9a-f]{8})\.pth$")


def load_weights(arch: str, given: Path | None = None) -> tuple[dict[str, Tensor], WeightsOrigin]:
    """The state dict for `arch` and where it came from; places are asked in the order of `find_weights`, the publisher last.

    Raises InputError for a file that is named but absent, damaged or of ImageNet V2, MissingError when there is none.
    """
    path = find_weights(arch, given) or _download(arch)
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"weights over {MAX_BYTES} bytes, {path}, give a torchvision file of {arch}")
    digest = _sha256(path)
    named = _CHECKSUM.search(path.name)
    if named and not digest.startswith(named[1]):
        raise InputError(f"weights damaged (sha256 {digest[:8]}, not {named[1]}), {path}, delete it and fetch it again")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a bad file
        raise InputError(f"weights not readable, {path}, give a torchvision file of {arch}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"not a state dict of tensors, {path}, give a torchvision file of {arch}")
    return state, WeightsOrigin(arch=arch, path=str(path), sha256=digest)


def load_trunk(glass: Glass, given: Path | None = None) -> WeightsOrigin | None:
    """Put the published weights into a network's trunk; where they came from, or null for a trunk that needs no file."""
    if backbone(glass.arch).file is None:
        return None
    state, origin = load_weights(glass.arch, given)
    glass.backbone.load(state, origin.path)
    return origin


def published_file(arch: str) -> str:
    """The name of the publisher's file. Raises InputError for a backbone that has none."""
    if (name := backbone(arch).file) is None:
        raise InputError(f"backbone {arch} has no weights, backbone, name another")
    return name


def is_published(origin: WeightsOrigin) -> bool:
    """Whether a trunk's file was the publisher's, whose names end with the first digits of their sha256."""
    named = _CHECKSUM.search(published_file(origin.arch))
    return named is not None and origin.sha256.startswith(named[1])


def find_weights(arch: str, given: Path | None) -> Path | None:
    """The file of `arch` on this machine, without downloading; None where there is none.

    Raises InputError for a place that is named but does not exist.
    """
    for place, name in ((given, "weights in the config"), (os.environ.get("GLASSLINE_WEIGHTS"), "$GLASSLINE_WEIGHTS")):
        if not place:
            continue
        place = Path(place)
        if not place.exists():
            raise InputError(f"no such file or folder, {place}, correct {name}")
        found = next(_matches(arch, place), None) if place.is_dir() else place if given or _is(arch, place) else None
        if found:
            return _refuse_v2(arch, found)
    cached = _cache() / published_file(arch)
    return cached if cached.is_file() else None


def _matches(arch: str, folder: Path) -> Iterator[Path]:
    """Files of `arch` in a folder, the published name first."""
    files = (path for path in folder.iterdir() if path.is_file() and _is(arch, path))
    refused, published = backbone(arch).refused_file, published_file(arch)
    yield from sorted(files, key=lambda path: (path.name == refused, path.name != published, path.name))


def _is(arch: str, path: Path) -> bool:
    """Whether the name says `arch`: `resnet50-0676ba61.pth` is no `wide_resnet50_2`, nor the reverse."""
    return re.fullmatch(rf"{re.escape(arch)}([-.].*)?\.(pth|pt)", path.name) is not None


def _refuse_v2(arch: str, path: Path) -> Path:
    if path.name == backbone(arch).refused_file:
        raise InputError(f"ImageNet V2 weights, {path}, GLASS needs V1: {PUBLISHER}{published_file(arch)}")
    return path


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _download(arch: str) -> Path:
    """Fetch the published file into torch hub's cache; it gets its name only when whole and of the right checksum."""
    name = published_file(arch)
    target = _cache() / name
    part = target.with_name(f"{name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(PUBLISHER + name, timeout=TIMEOUT_S) as response:
            total = int(response.headers.get("Content-Length") or 0)
            if total > MAX_BYTES:
                raise OSError(f"{total} bytes offered")
            console = Console(stderr=True)
            with wrap_file(response, total, description=name, console=console) as source, part.open("wb") as sink:
                while chunk := source.read(1 << 20):
                    sink.write(chunk)
        if not _sha256(part).startswith(name.rsplit("-", 1)[1].removesuffix(".pth")):
            raise OSError("the checksum is wrong")
        part.replace(target)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        where = f"put {PUBLISHER}{name} into a folder and set GLASSLINE_WEIGHTS to it, or use --backbone embedded"
        raise MissingError(f"weights of {arch} not found and not fetched ({reason}), {target}, {where}") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
