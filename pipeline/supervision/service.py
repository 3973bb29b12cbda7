"""A line as a service: its systemd unit, and how that is installed.

What each setting means: https://www.freedesktop.org/software/systemd/man/systemd.exec.html, systemd.service.html.
"""

from __future__ import annotations

import sys
from pathlib import Path

from glass_core.engines.bundle import is_bundle
from glass_core.errors import InputError, MissingError
from glass_core.files.whole_file import refused_writes, whole_file
from pipeline.config.cameras import BaslerConfig
from pipeline.config.line import LineConfig
from pipeline.config.outputs import FolderConfig
from pipeline.supervision.runtime_folder import SERVICES

UNITS, STATES, CACHES = Path("/etc/systemd/system"), Path("/var/lib/glassline"), Path("/var/cache/glassline")
USER = "glassline"
WATCHDOG_S = 30
"""Longer than the supervisor lets a stage hang before it ends that stage alone."""
START_S = 600
"""An engine that must be made for this machine first takes minutes."""
STOP_S = 15
"""The line stops within 3 s; the rest is for a disk that is slow, before systemd kills it all."""
HIDDEN = (Path("/tmp"), Path("/var/tmp"))
"""A service has such folders of its own, and nobody else sees what is in them."""

UNIT = """\
# {name}: made by `glassline service {config}`
[Unit]
Description=Fabric inspection, line {name}
Documentation=man:systemd.service(5)
# Cameras and PLCs are on the network. A sandbox may not make the GPU's device files: the daemon has made them before.
Wants=network-online.target
After=network-online.target nvidia-persistenced.service
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run {config}
WorkingDirectory={home}
User={user}
UMask=0077
TimeoutStartSec={start_s}
# Pinged for progress of every stage that the line cannot do without, not by a timer.
WatchdogSec={watchdog_s}
Restart=on-failure
RestartSec=1
# 2: the configuration is refused; 3: a part is missing. No retry mends that.
RestartPreventExitStatus=2 3
# SIGTERM to the supervisor, which stops its processes in order; whatever is left then is killed.
KillMode=mixed
TimeoutStopSec={stop_s}
# The kernel may kill one process for its memory: the supervisor starts that one again.
OOMPolicy=continue
LimitCORE=0
RuntimeDirectory={runtime}
RuntimeDirectoryMode=0700
# What a supervisor that was killed or gave up has left there is what the next one goes on from, and its latched FAULT.
# One that is stopped empties the folder itself.
RuntimeDirectoryPreserve=yes
StateDirectory={state}
StateDirectoryMode=0700
CacheDirectory={cache}
CacheDirectoryMode=0700
Environment=XDG_CACHE_HOME={cache_home} PYTHONUNBUFFERED=1

NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
{writable}PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
DevicePolicy=closed
{devices}
# Netlink: camera libraries ask for interfaces and USB devices there.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: torch and OpenVINO write machine code at run time, and neither starts with it.

[Install]
WantedBy=multi-user.target
"""


def unit_path(config: LineConfig) -> Path:
    """Where systemd looks for the unit of that line."""
    return UNITS / f"glassline-{config.line.name}.service"


def unit_text(config: LineConfig, path: Path, user: str = USER) -> str:
    """The unit of the line whose file is `path`; what that file names is looked for from the present folder, as now.

    Raises MissingError where the program is not installed, InputError for what a service could not see.
    """
    program = Path(sys.executable).with_name("glassline")
    if not program.is_file():
        raise MissingError(f"glassline is not installed, {program.parent}, run `pip install` there")
    if not user or not all(c.isalnum() or c in "_-" for c in user):
        raise InputError(f"no name of a user, {user!r}, --user, use letters, digits, _ and -")
    home, name = Path.cwd(), config.line.name
    for seen in (home, path, program, *config.models, *_written(config)):
        if any(seen.resolve().is_relative_to(hidden) for hidden in HIDDEN):
            raise InputError(f"a service has a /tmp of its own and does not see this one, {seen}, move it elsewhere")
    devices = ["char-nvidia*"] + ["char-usb_device"] * any(isinstance(c, BaslerConfig) for c in config.cameras)
    written = [folder for folder in _written(config) if not folder.is_relative_to(STATES / name)]
    return UNIT.format(
        name=name, user=user, home=_escaped(home), program=_quoted(program), config=_quoted(path.resolve()),
        runtime=f"{SERVICES.name}/{name}", state=f"{STATES.name}/{name}", cache=f"{CACHES.name}/{name}",
        cache_home=CACHES / name, start_s=START_S, watchdog_s=WATCHDOG_S, stop_s=STOP_S,
        writable="".join(f"ReadWritePaths={_quoted(folder)}\n" for folder in written)
        + "".join(f"ReadWritePaths=-{_quoted(o.path.resolve())}\n" for o in config.wired if isinstance(o, FolderConfig)),
        devices="\n".join(f"DeviceAllow={device} rw" for device in devices),
    )  # fmt: skip


def next_commands(config: LineConfig, user: str) -> list[str]:
    """What an administrator says after the unit is installed; nothing of it is done here."""
    unit = unit_path(config).name
    folders = " ".join(_quoted(folder) for folder in _written(config) if not folder.is_relative_to(STATES))
    owned = [f"install -d -o {user} -m 0700 {folders}"] if folders else []
    return [
        f"id {user} || useradd --system {user}", *owned, "systemctl daemon-reload", f"systemctl enable --now {unit}",
        f"systemctl status {unit}",
    ]  # fmt: skip


def install_unit(path: Path, text: str, replace: bool = False) -> bool:
    """Write the unit, whole or not at all; whether it was not there yet. InputError where another is, unless `replace`."""
    with refused_writes(path):
        there = path.read_text(encoding="utf-8", errors="replace") if path.exists() or path.is_symlink() else None
        if there == text:
            return False
        if there is not None and not replace:
            raise InputError(f"another unit is there, {path}, compare them and say --replace")
        with whole_file(path) as part:
            part.write_text(text, encoding="utf-8")
            part.chmod(0o644)
    return True


def _written(config: LineConfig) -> list[Path]:
    """The folders that a line writes into beside those that systemd makes for it."""
    folders = [config.ledger.path.resolve().parent]
    if config.publisher.bind.startswith("ipc:///"):
        folders.append(Path(config.publisher.bind.removeprefix("ipc://")).parent)
    if config.worker.on_foreign_device == "recompile":
        folders += [model.resolve().parent for model in config.models if is_bundle(model)]
    return list(dict.fromkeys(folders))


def _escaped(path: Path) -> str:
    text = str(path)
    if not text.isprintable() or any(c in text for c in "\"'\\$"):
        raise InputError(f"a path with characters that a unit cannot name, {text!r}, rename it")
    return text.replace("%", "%%")


def _quoted(path: Path) -> str:
    return f'"{text}"' if " " in (text := _escaped(path)) else text
