"""What saw and judged the cloth of a report: cameras and their settings, overlaps, model and card, configuration."""

from __future__ import annotations

from html import escape
from typing import Any

import yaml

from glass_core.backbones import untrained_title
from pipeline.report.roll import Metres
from pipeline.report.sheet import RunSheet
from pipeline.report.tables import number, section, sha, table


def camera_section(
    facts: dict[tuple[str, str], dict[str, Any]], seen: dict[str, tuple[int, int]], metres: Metres | None
) -> str:
    """Each camera: its frames, the metres judged, and how it was set."""
    rows = []
    for name in sorted({*(camera for camera, _ in facts), *seen, *(metres.cameras_mm if metres else ())}):
        own = f"{metres.cameras_mm.get(name, 0) / 1000:.3f}" if metres else "unknown"
        shown = "".join(_setting(boot_id, known) for (camera, boot_id), known in facts.items() if camera == name)
        rows.append([escape(name), f"{seen.get(name, (0, 0))[0]:,}", own, shown])
    return section("Cameras", table(["camera", "frames", "metres judged", ""], rows, numbers={1, 2}))


def _setting(boot_id: str, known: dict[str, Any]) -> str:
    if not known:
        return f"<p>How it was set is not on record, boot_id {escape(boot_id)}.</p>"
    words = escape(yaml.safe_dump(known, sort_keys=False, allow_unicode=True))
    return f"<details><summary>as it was set, boot_id {escape(boot_id)}</summary><pre>{words}</pre></details>"


def overlap_section(sheet: RunSheet) -> str:
    """How far neighbouring cameras stood from where they were aligned."""
    rows = [
        [
            escape(f"{o.left}, {o.right}"), f"{o.told:,} of {o.comparisons:,}",
            *(number(mm, 2, " mm") for mm in (o.across_mm, o.along_mm)),
        ]
        for o in sheet.overlaps
    ]  # fmt: skip
    head = ["neighbours", "comparisons that told", "furthest off across", "along"]
    return section("Overlaps", table(head, rows, numbers={1, 2, 3})) if rows else ""


def model_section(facts: dict[str, Any], title: str) -> str:
    """What judged: the model, its engine, its card and the false alarms that the card told of."""
    info, card = facts.get("model_info") or {}, facts.get("card") or {}
    rows: list[list[object]] = [["model", escape(str(facts.get("model", "unknown")))]]
    if info:
        weights = info.get("weights") or {}
        rows += [
            ["backbone", escape(str(info.get("arch")))],
            ["its weights", escape(weights.get("path", f"{untrained_title(info.get('arch', '')) or 'unknown'}, no file"))],
        ]
    rows += [
        ["weights SHA-256", sha(info.get("weights_sha") or facts.get("weights_sha"))],
        ["engine", sha(facts.get("engine_sha"))],
        ["threshold card", sha(facts.get("card_sha"))],
    ]
    if card:
        kind = "<b>PROVISIONAL</b>" if card.get("provisional") else "final"
        low, high = min(card["thresholds"]), max(card["thresholds"])
        span = f"{low:.4f}" if low == high else f"{low:.4f} to {high:.4f}"
        rows += [
            ["card is", kind],
            ["thresholds", f"{span}, {len(card['thresholds'])} lanes, {escape(str(card.get('limits_are', '')))}"],
            ["from", f"{card.get('frames', 0):,} good frames ({escape(str(card.get('source', '')))})"],
            *_false_alarms(card),
        ]
    return section(title, table(["", ""], rows))


def _false_alarms(card: dict[str, Any]) -> list[list[object]]:
    """What a card of any schema told of them."""
    told = {per: card.get(f"false_alarms_per_{per.replace(' ', '_')}") or {} for per in ("100 m2", "1000 frames", "1000 m")}
    earlier = "1000 m" if card.get("metres") else "1000 frames"
    for end in ("", "_frames"):  # schemas 2 and 1
        found = {key: card.get(f"{key}_false_alarms_per_1000{end}") for key in ("expected", "upper")}
        if found["upper"] is not None:
            told[earlier] = found
    return [
        [f"false alarms in {per.replace('m2', 'm²')}", f"{found['expected']:.3g} expected, {found['upper']:.3g} at most (95 %)"]
        for per, found in told.items()
        if found
    ]


def config_section(facts: dict[str, Any]) -> str:
    """The configuration in force, with its hash."""
    if not facts.get("config"):
        return ""
    text = yaml.safe_dump(facts["config"], sort_keys=False, allow_unicode=True)
    return section(
        "Configuration",
        f"<p class='sha'>{sha(facts.get('config_sha'))}</p><details><summary>with all "
        f"defaults</summary><pre>{escape(text)}</pre></details>",
    )
