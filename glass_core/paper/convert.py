"""Models exchanged with the official GLASS code, and given to other runtimes."""

from collections.abc import Callable
from pathlib import Path

from glass_core.engines.onnx_export import export_onnx
from glass_core.errors import InputError
from glass_core.events import Note, keep_quiet
from glass_core.files.whole_file import refused_writes
from glass_core.network.checkpoint import INFO_FILE, ModelInfo, read_info
from glass_core.paper.official import export_official, import_official

CHECKPOINT, ONNX = ".pth", ".onnx"


def convert(
    source: Path, target: Path, backbone: str = "wide_resnet50_2", report: Callable[[Note], None] = keep_quiet
) -> ModelInfo:
    """An official checkpoint, `source`.pth, becomes a run in the folder `target`; a run becomes `target`.pth or .onnx.

    `backbone` is that of the checkpoint, which does not tell. Returns what the model knows of itself. Raises InputError for
    names or files that do not fit, MissingError without the trunk's weights or ONNX's packages.

    >>> convert(folder / "run", folder / "official.pth").arch
    'embedded'
    >>> info = convert(folder / "official.pth", folder / "imported", backbone="embedded")
    >>> info.origin
    'official checkpoint official.pth, ...'
    """
    if source.suffix == CHECKPOINT:
        if target.suffix in (CHECKPOINT, ONNX):
            raise InputError(f"a checkpoint becomes a run, {target}, name a folder, and convert that")
        if (target / INFO_FILE).exists():
            raise InputError(f"a model lies there already, {target}, choose another folder")
        with refused_writes(target):
            return import_official(source, backbone, None, target)
    if target.suffix not in (CHECKPOINT, ONNX):
        raise InputError(f"neither {ONNX} nor {CHECKPOINT}, {target}, name the file to write by one of these")
    info = read_info(source)
    if not target.parent.is_dir():
        raise InputError(f"no such folder, {target.parent}, make it first")
    if target.suffix == ONNX:
        report(Note("exporting (some ten seconds)"))
        export_onnx(source, target)
    else:
        export_official(source, target)
    return info
