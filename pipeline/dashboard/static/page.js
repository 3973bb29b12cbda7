// Hears how the line is, and shows it: the small state as it changes, the cloth once a second where that has changed, and with a new defect at once.
import { beginActing, learnMe, me, press, say } from "./acting.js";
import { drawMap, drawScores } from "./drawing.js";
import { beginReviewing, know, open, picture, place, size, word } from "./reviewing.js";
import { beginWatching } from "./watching.js";
import { ask, el, loadWords, number, show, t } from "./words.js";

const SILENCE_MS = 3000, CARDS = 12, REST = 5;
const EVENTS = ["SEAM", "LEAD", "STOP_MARK", "WRINKLE"];
const byId = (id) => document.getElementById(id);
let state = null, cloth = null, heardMs = 0, clothKey = null, asking = false, first = 0, boot = null, defectDueMs = 0;
let chosen = new URLSearchParams(location.search).get("roll"); // of a record

const LEVELS = { stop: "bad", fault: "bad", fault_gone: "bad", silent: "bad", other_config: "bad", not_inspected: "bad", bypass: "bad", unlike: "warn",
  lamp: "warn", degraded: "warn", not_running: "warn" };
const SIGNS = { bad: "■", warn: "▲", ok: "●" };

function banner(level, title, more, ...buttons) {
  return el("div", { class: `banner ${level}` }, el("div", {}, el("strong", {}, `${SIGNS[level]} ${title}`), el("span", {}, more)), ...buttons);
}

function placeOf(what) {
  if (what.at_m !== null && what.at_m !== undefined) return t("place", { m: number(what.at_m, 3), camera: what.camera });
  return what.camera ? t("place.camera", { camera: what.camera }) : t("place.none");
}

function button(label, wish) {
  return el("button", { type: "button", disabled: !me.name, "data-wish": JSON.stringify(wish), onclick: (event) => press(event.currentTarget, wish) }, label);
}

const isLost = () => performance.now() - heardMs > SILENCE_MS;

function todo() {
  const lost = isLost() ? [banner("bad", t("lost"), t("lost.do"))] : [];
  if (!state) return lost.length ? lost : [banner("warn", t("connecting"), "")];
  const all = [t("acknowledge.all"), { act: "acknowledge", seen: state.open.seen }];
  const acts = (n) => ({ stop: all, lamp: all, fault_gone: [t("reset"), { act: "reset", of: "fault", since: n.since }],
    unlike: [t("accept"), { act: "reset", of: "unlike", since: n.since }], bypass: [t("bypass.off"), { act: "bypass", on: false }] })[n.key];
  const due = state.next.map((n) => banner(LEVELS[n.key], t(`do.${n.key}`, { count: n.count }),
    t(`do.${n.key}.more`, { why: n.why, cause: n.cause ? t(`cause.${n.cause}`) : "", place: placeOf(n) }).trim(), ...(acts(n) ? [button(...acts(n))] : [])));
  if (lost.length || due.length) return [...lost, ...due];
  if (!state.live) return [banner("ok", t("do.record"), t("do.record.more", { waiting: number(unsaid()) }))];
  if (!state.ok) return [banner("warn", t("do.wait"), t("do.wait.more", { why: state.why || t("state.none") }))];
  return [banner("ok", t("do.nothing"), t("do.nothing.more"))];
}

function openOnes() {
  if (!state || state.open.listed.length < 1 || !state.live) return [];
  const rows = state.open.listed.map((o) => el("li", {}, el("span", {}, `${t(`kind.${o.kind}`)}: ${t(`cause.${o.cause}`)} ${placeOf(o)}`),
    button(t("acknowledge"), { act: "acknowledge", event: o.event })));
  return [el("h3", {}, t("open.heading")), el("ul", { tabindex: "0", "aria-label": t("open.heading") }, ...rows), state.open.more ? el("p", {}, t("open.more", { count: state.open.more })) : null];
}

function figure(name, value, kind = "") {
  return el("div", { class: `figure ${kind}` }, el("span", { class: "quiet" }, name), el("b", {}, value));
}

function now() {
  const totals = state.totals ?? {}, latency = totals.latency_ms ?? {};
  const p = ["p50", "p95", "p99"].filter((k) => k in latency).map((k) => number(latency[k]));
  const shown = state.live || !cloth ? state.roll : { id: cloth.roll, style: cloth.style };
  const standing = `${state.state ? t(`state.${state.state}`) : t("state.none")}, ${t(state.ok ? "ok" : "not_ok")}`;
  return [isLost() ? figure(t("state"), t("lost.state"), "wide bad") : figure(t("state"), standing, state.ok ? "wide ok" : "wide bad"),
    state.why ? figure(t("why"), state.why, "wide") : null, figure(t("roll"), shown.id || t("roll.none")), figure(t("style"), shown.style || t("style.none")),
    figure(t("speed"), number(totals.speed_m_min, 1)), figure(t("position"), number(totals.position_m, 2)), figure(t("inspected"), number(totals.inspected_m, 2)),
    figure(t("not_inspected"), number(totals.not_inspected_m, 2), totals.not_inspected_m > 0 ? "bad" : ""), figure(t("defects"), number(totals.defect)),
    figure(t("rejects"), number(totals.rejects)), figure(t("latency"), p.join(" / ") || t("unknown"), "wide"), figure(t("waiting"), number(totals.waiting))];
}

function table(id, heads, rows) {
  const cells = (row, kind) => el("tr", {}, ...row.map((cell) => el(kind, { class: `${cell.n ? "n" : ""} ${cell.bad ? "bad" : ""}`.trim() || null,
    scope: kind === "th" ? "col" : null }, cell.text)));
  show(byId(id), el("thead", {}, cells(heads, "th")), el("tbody", {}, ...rows.map((row) => cells(row, "td"))));
}

function cameras() {
  const names = ["rate", "frames", "pass", "defect", "not", "metres", "score"];
  const heads = [{ text: t("camera") }, ...names.map((n) => ({ text: t(`camera.${n}`), n: true })), { text: t("camera.last") }];
  table("cameras", heads, state.cameras.map((c) => [{ text: c.name }, ...(c.known
    ? [[c.rate, 1], [c.frames, 0], [c.passed, 0], [c.defect, 0], [c.not_inspected, 0], [c.inspected_m, 2], [c.score, 3]].map(([v, d]) => ({ text: v === null ? "–" : number(v, d), n: true }))
    : names.map(() => ({ text: "–", n: true }))),
  c.known ? { text: c.last in { PASS: 1, DEFECT: 1 } ? t(`result.${c.last}`) : t(`reason.${c.last}`), bad: c.last !== "PASS" } : { text: t("camera.none") }]));
  table("processes", ["process", "process.role", "process.state", "process.restarts"].map((k) => ({ text: t(k) })),
    state.processes.length ? state.processes.map((p) => [{ text: p.name }, { text: p.role },
      { text: p.state ? t(`stage.${p.state}`) : t("stage.none"), bad: !["READY", "ENDED"].includes(p.state) }, { text: number(p.restarts), n: true }])
      : [[{ text: t("processes.none") }, { text: "" }, { text: "" }, { text: "" }]]);
}

const unsaid = () => cloth ? cloth.defects.filter((d) => d.word === null).length : 0;

/** Not within `cards`: what it listens by would keep the cards before it, and those keep theirs, for ever. */
function newCard(d, key) {
  const card = el("button", { type: "button", class: "card", onclick: () => open(d.key) }, picture(d), el("span", { class: "text" }));
  card.dataset.key = key;
  return card;
}

function cards() {
  first = Math.min(first, Math.floor(Math.max(0, cloth.defects.length - 1) / CARDS) * CARDS);
  const newest = [...cloth.defects].reverse(), shown = newest.slice(first, first + CARDS);
  const kept = new Map([...byId("defects").children].filter((c) => c.dataset.key).map((c) => [c.dataset.key, c]));
  const fresh = shown.map((d) => {
    const key = d.key.join("-"), facts = `${word(d)} ${size(d)} ${place(d)}`;
    const card = kept.get(key) ?? newCard(d, key);
    card.className = `card ${d.word === null ? "unsaid" : d.word === "defect" ? "" : "good"}`;
    if (card.dataset.facts !== facts) {
      card.dataset.facts = facts;
      card.lastChild.replaceChildren(el("b", {}, place(d)), `${size(d)}, ${t("defect.score", { score: number(d.score, 3) })}`, el("br"), word(d));
    }
    return card;
  });
  const box = byId("defects");
  if (!fresh.length) { show(box, el("p", { class: "quiet" }, t("defects.none"))); }
  else if (box.children.length !== fresh.length || fresh.some((card, i) => box.children[i] !== card)) { delete box.dataset.shown; box.replaceChildren(...fresh); }
  byId("newer").disabled = first === 0;
  byId("older").disabled = first + CARDS >= newest.length;
  byId("unreviewed").textContent = t("defects.waiting", { count: number(unsaid()) });
}

function cut() {
  const found = cloth.cut;
  byId("cut").hidden = !found;
  if (!found) return;
  show(byId("cut-sum"), t("cut.sum", { pieces: number(found.pieces.length), cuts: number(found.cuts), given_up: number(found.given_up_m, 3),
    before: number(found.points_before), after: number(found.points_after), value: number(found.value, 2) }));
  const heads = [{ text: t("cut.piece"), n: true }, ...["from", "to", "length"].map((k) => ({ text: t(`cut.${k}`), n: true })), { text: t("cut.class") },
    ...["points", "worst", "value"].map((k) => ({ text: t(`cut.${k}`), n: true }))];
  table("pieces", heads, found.pieces.map((p, i) => [{ text: number(i + 1), n: true }, ...[p.from_m, p.to_m, p.to_m - p.from_m].map((m) => ({ text: number(m, 3), n: true })),
    { text: t(`class.${p.kind}`), bad: p.kind !== "first" }, ...[p.points, p.worst_points].map((v) => ({ text: number(v), n: true })), { text: number(p.value, 2), n: true }]));
}

/** A record with several rolls lets one choose; the address of the page keeps the choice. */
function rolls() {
  byId("roll-choice").hidden = state.rolls.length < 2;
  if (state.rolls.every((r) => r.name !== chosen)) chosen = state.rolls.find((r) => r.shown)?.name ?? null;
  if (show(byId("chosen"), ...state.rolls.map((r) => el("option", { value: r.name }, r.name || t("roll.none"))))) byId("chosen").value = chosen;
}

function permit() {
  const may = Boolean(me.name) && state && state.live;
  byId("forms").disabled = !may;
  byId("read-only").hidden = Boolean(me.name);
  byId("bypass-on").disabled = !may || me.role !== "engineer" || state.bypass;
  byId("bypass-off").disabled = !may || !state.bypass;
}

function render() {
  show(byId("banners"), ...todo());
  show(byId("open"), ...openOnes());
  if (!state) return;
  byId("line").textContent = state.line || t("title");
  byId("watch").hidden = !state.live;
  byId("live").textContent = t(state.live ? "live" : "record");
  document.title = isLost() ? `■ ${t("lost.state")} – ${state.line}` : `${state.next.length && state.live ? "■ " : ""}${state.line} – ${t("title")}`;
  show(byId("now"), ...now());
  const reasons = Object.entries(state.totals?.reasons ?? {}).map(([r, n]) => `${t(`reason.${r}`)}: ${number(n)}`).join(", ");
  byId("reasons").textContent = reasons ? `${t("reasons.heading")}: ${reasons}` : "";
  cameras();
  rolls();
  const style = byId("roll-form").elements.style;
  show(style, el("option", { value: "" }, t("act.style.same")), ...state.styles.map((s) => el("option", { value: s }, s)));
  permit();
}

async function askCloth(force = false) {
  if (asking || !state || (!force && state.cloth === clothKey)) return;
  asking = true;
  try {
    const roll = chosen, answer = await ask(roll === null ? "cloth" : `cloth?roll=${encodeURIComponent(roll)}`);
    if (!answer.ok) return;
    cloth = await answer.json();
    clothKey = roll === chosen ? cloth.version : null; // another was chosen meanwhile
    const beganMs = performance.now();
    know(cloth.defects, cloth.kinds);
    show(byId("map"), ...drawMap(cloth, open));
    show(byId("scores"), ...drawScores(cloth.scores));
    cards();
    cut();
    render();
    defectDueMs = performance.now() + REST * (performance.now() - beganMs); // a long roll takes a while to draw
  } catch { /* the watch below says that the connection is lost */ } finally { asking = false; }
}

let actsKey = null;
async function askActs() {
  try {
    const told = (await (await ask("acts")).json()).acts, key = JSON.stringify(told);
    if (key === actsKey) return;
    actsKey = key;
    show(byId("acts"), ...(told.length ? told.map((a) => el("li", {}, `${new Date(a.at).toLocaleString("en-GB")} ${a.by}: ${deed(a.act)}`
      + (a.done ? "" : ` (${t("acts.refused", { why: a.outcome })})`))) : [el("li", {}, t("acts.none"))]));
  } catch { /* as above */ }
}

function deed(a) {
  if (a.act === "bypass") return t(`acts.bypass.${a.on ? "on" : "off"}`);
  if (a.act === "review") return a.word ? t("acts.review", { word: a.kind ? t(`kind.${a.kind}`) : t(`word.${a.word}`) }) : t("acts.review.undo");
  return t(`acts.${a.act}`, { roll_id: a.roll_id, kind: a.kind ? t(`event.${a.kind}`) : "" });
}

function hear(text) {
  heardMs = performance.now();
  if (text === null) return;
  state = JSON.parse(text);
  if (boot !== null && state.page !== boot) { location.reload(); return; }
  boot = state.page;
  render();
  if (state.live && state.found !== cloth?.found && performance.now() >= defectDueMs) askCloth();
}

function listen() {
  if (!window.EventSource) { // an old browser asks instead of being told
    ask("state").then((a) => a.text()).then(hear).catch(() => {}).finally(() => setTimeout(listen, 1000));
    return;
  }
  const stream = new EventSource("events");
  stream.onmessage = (event) => hear(event.data);
  stream.addEventListener("beat", () => hear(null));
  stream.onerror = () => { // refused, not only interrupted: the browser would not ask again by itself
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

await loadWords();
beginActing(EVENTS);
beginReviewing(async () => { await askCloth(true); await askActs(); });
document.body.addEventListener("me", () => { for (const id of ["banners", "open"]) delete byId(id).dataset.shown; render(); askActs(); });
byId("chosen").addEventListener("change", (event) => {
  chosen = event.target.value;
  history.replaceState(null, "", `?roll=${encodeURIComponent(chosen)}`);
  first = 0;
  clothKey = null;
  askCloth(true);
});
byId("newer").addEventListener("click", () => { first = Math.max(0, first - CARDS); cards(); });
byId("older").addEventListener("click", () => { first += CARDS; cards(); });
render();
beginWatching();
heardMs = performance.now();
listen();
setInterval(() => { render(); askCloth(); }, 1000); // it also says that the connection is lost: nothing may hold it up
setInterval(askActs, 3000);
learnMe().catch(() => say(t("unreachable")));
