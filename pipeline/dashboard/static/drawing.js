// Drawings to scale: the roll with its defects and what was not inspected, and scores against the threshold over time.
import { el, number, shape, t } from "./words.js";

const WIDTH = 560, HEIGHT = 640, LEFT = 56, TOP = 26, BOTTOM = 44, RIGHT = 10;

/** Round steps for an axis, about so many. */
function steps(from, to, about) {
  const rough = (to - from) / about || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let v = Math.ceil(from / step) * step; v <= to + step * 1e-6; v += step) found.push(Math.round(v / step) * step);
  return found;
}

/** Lines of another slope for each reason, so that they are told apart without colours. */
function hatch(reason, index) {
  const gap = 7 + 3 * (index % 3);
  return shape("pattern", { id: `hatch-${reason}`, width: gap, height: gap, patternUnits: "userSpaceOnUse",
    patternTransform: `rotate(${index * 28 + 20})` },
  shape("rect", { width: gap, height: gap, class: "gap-ground" }), shape("line", { x1: 0, y1: 0, x2: 0, y2: gap, class: "gap-line" }));
}

function key(drawn, words) {
  return el("li", {}, shape("svg", { viewBox: "0 0 26 16", "aria-hidden": "true" }, drawn), words);
}

/** The roll's map and its legend; `chosen` is called with the defect whose mark is clicked. */
export function drawMap(cloth, chosen) {
  const map = cloth.map;
  if (!map || !map.until) return [el("p", { class: "quiet" }, t("map.none"))];
  const left = Math.min(...map.strips.map((s) => s.x[0])), right = Math.max(...map.strips.map((s) => s.x[1]));
  const x = (v) => LEFT + (v - left) / (right - left || 1) * (WIDTH - LEFT - RIGHT);
  const y = (v) => TOP + v / map.until * (HEIGHT - TOP - BOTTOM);
  const reasons = [...new Set(map.strips.flatMap((s) => s.runs.map((r) => r[2])).filter((k) => k !== "inspected"))].sort();
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label":
    t("map.label", { m: map.in_mm ? `${number(map.until, 2)} m` : number(map.until), defects: cloth.defects.length }) },
  shape("defs", {}, ...reasons.map(hatch)));
  for (const v of steps(0, map.until, 8)) {
    drawing.append(shape("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, number(v, v % 1 ? 2 : 0)));
  }
  for (const strip of map.strips) {
    const [from, to] = strip.x;
    for (const [start, end, what] of strip.runs) {
      const inspected = what === "inspected";
      drawing.append(shape("rect", { x: x(from), width: x(to) - x(from), y: y(start), height: Math.max(y(end) - y(start), 0.5),
        class: inspected ? "inspected" : "gap", fill: inspected ? null : `url(#hatch-${what})` }));
    }
    drawing.append(shape("rect", { x: x(from), width: x(to) - x(from), y: TOP, height: HEIGHT - TOP - BOTTOM, class: "frame" }),
      shape("text", { x: (x(from) + x(to)) / 2, y: TOP - 9, "text-anchor": "middle" }, strip.camera));
  }
  for (const e of cloth.events) {
    if (e.from_m === null || !map.in_mm) continue;
    drawing.append(shape("rect", { x: x(left), width: x(right) - x(left), y: y(e.from_m), height: Math.max(y(e.to_m) - y(e.from_m), 2),
      class: "event" }), shape("text", { x: x(right) - 4, y: y(e.from_m) - 3, "text-anchor": "end" }, t(`event.${e.kind}`)));
  }
  if (map.in_place) {
    for (const v of steps(left, right, 5)) drawing.append(shape("text", { x: x(v), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle" }, number(v)));
  }
  drawing.append(shape("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, t(map.in_place ? "map.across" : "map.side")),
    shape("text", { x: 14, y: HEIGHT / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${HEIGHT / 2})` }, t(map.in_mm ? "map.along" : "map.frames")));
  const shift = (p) => ({ ...p, from_m: p.from_m + cloth.cut.map_from_m, to_m: p.to_m + cloth.cut.map_from_m });
  const pieces = map.in_mm && cloth.cut ? cloth.cut.pieces.map(shift) : [];
  for (const at of new Set(pieces.flatMap((p) => [p.from_m, p.to_m]))) {
    drawing.append(shape("line", { x1: x(left) - 4, x2: x(right), y1: y(at), y2: y(at), class: "cut" }));
  }
  pieces.forEach((p, i) => drawing.append(shape("text", { x: x(right) - 4, y: y((p.from_m + p.to_m) / 2) + 4, "text-anchor": "end", class: "cut" },
    t("cut.mark", { n: i + 1, class: t(`class.${p.kind}`) }))));
  for (const defect of cloth.defects) {
    if (!defect.at) continue;
    const good = defect.word !== null && defect.word !== "defect", size = 5;
    const cx = x(defect.at[0]), cy = y(defect.at[1]);
    drawing.append(shape("path", { d: `M${cx} ${cy - size}l${size} ${size}l${-size} ${size}l${-size} ${-size}z`,
      class: good ? "mark good" : "mark", onclick: () => chosen(defect.key) }));
  }
  const legend = [key(shape("rect", { width: 26, height: 16, class: "inspected" }), t("map.inspected")),
    key(shape("path", { d: "M13 3l5 5l-5 5l-5 -5z", class: "mark" }), t("map.defect")),
    key(shape("path", { d: "M13 3l5 5l-5 5l-5 -5z", class: "mark good" }), t("map.good")),
    ...reasons.map((r) => key(shape("rect", { width: 26, height: 16, class: "gap", fill: `url(#hatch-${r})` }), t("map.not", { reason: t(`reason.${r}`) })))];
  if (pieces.length) legend.push(key(shape("line", { x1: 0, x2: 26, y1: 8, y2: 8, class: "cut" }), t("cut.legend")));
  const note = cloth.left_out ? el("p", { class: "quiet" }, t("map.left_out", { count: number(cloth.left_out) })) : null;
  return [drawing, el("ul", { class: "legend" }, ...legend), note];
}

/** A line for each camera; 1 is the threshold. */
export function drawScores(scores) {
  const cameras = Object.entries(scores.points);
  const all = cameras.flatMap(([, points]) => points).filter((p) => p !== null);
  if (!all.length) return [el("p", { class: "quiet" }, t("scores.none"))];
  const width = 1100, height = 240, left = 44, bottom = 28, most = Math.max(1.2, ...all);
  const longest = Math.max(...cameras.map(([, points]) => points.length), 2);
  const x = (i) => left + i / (longest - 1) * (width - left - 10), y = (v) => 10 + (1 - v / most) * (height - bottom - 10);
  const drawing = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": t("scores.label") });
  for (const v of steps(0, most, 4)) {
    drawing.append(shape("line", { x1: left, x2: width, y1: y(v), y2: y(v), class: "grid" }),
      shape("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, number(v, 1)));
  }
  for (const i of steps(0, longest - 1, 6)) {
    const at = new Date((scores.start_s + i * scores.point_s) * 1000);
    drawing.append(shape("text", { x: x(i), y: height - 8, "text-anchor": "middle" }, at.toLocaleTimeString("en-GB")));
  }
  drawing.append(shape("line", { x1: left, x2: width, y1: y(1), y2: y(1), class: "limit" }));
  cameras.forEach(([, points], n) => {
    let path = "", pen = "M";
    points.forEach((p, i) => {
      if (p === null) { pen = "M"; return; }
      path += `${pen}${x(i).toFixed(1)} ${y(p).toFixed(1)}`;
      pen = "L";
    });
    drawing.append(shape("path", { d: path, class: `line s${n % 4} d${Math.floor(n / 4) % 4}` }));
  });
  const line = (name) => shape("line", { x1: 0, x2: 26, y1: 8, y2: 8, class: name });
  return [drawing, el("ul", { class: "legend" }, key(line("limit"), t("scores.threshold")),
    ...cameras.map(([camera], n) => key(line(`line s${n % 4} d${Math.floor(n / 4) % 4}`), camera)))];
}
