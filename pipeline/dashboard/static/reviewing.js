// One defect after the other with its picture: what a person says of it, by button or key, and takes back.
import { act, me } from "./acting.js";
import { el, number, show, t } from "./words.js";

const WORDS = [["g", "good", "acceptable", null], ["d", "defect", "defect", null], ["h", "hole", "defect", "hole"],
  ["p", "pinhole", "defect", "pinhole"], ["l", "lint", "lint", null], ["e", "mended", "mended", null], ["c", "cut_out", "cut_out", null]];
const byId = (id) => document.getElementById(id);
const same = (one, other) => one.join() === other.join();
const before = [];
let defects = [], kinds = [], key = null, heat = false, saying = false, changed = () => {};

export const place = (d) => d.from_m === null ? t("defect.frame", { n: d.frame }) : `${number(d.from_m, 3)} m, ${d.camera}`;
export const size = (d) => d.size_mm ? t("defect.size", { length: number(d.size_mm[0], 1), width: number(d.size_mm[1], 1) }) : t("defect.no_size");
const perhaps = (d) => d.perhaps ? `, ${t("review.perhaps", { kind: t(`kind.${d.perhaps[0]}`), confidence: number(d.perhaps[1], 1) })}` : "";
export const word = (d) => (d.word ? t("review.by", { word: d.kind ? t(`kind.${d.kind}`) : t(`word.${d.word}`), by: d.by }) : d.closed ? t("word.none") : t("defect.open")) + perhaps(d);

/** A defect's picture; the recorder may write it a little later, so it is asked for again a few times. */
export function picture(d, map = false, tries = 5) {
  const image = el("img", { src: `crop/${d.key.join("-")}${map ? "?heat=1" : ""}`, alt: t("defect.picture"), loading: "lazy", onerror: () => {
    const none = el("span", { class: "none" }, t("defect.no_picture"));
    image.replaceWith(none);
    if (tries) setTimeout(() => { if (none.isConnected) none.replaceWith(picture(d, map, tries - 1)); }, 4000);
  } });
  return image;
}

/** New defects have come, and kinds that people have named, of whatever run; what is open stays open. */
export function know(found, said) {
  [defects, kinds] = [found, said];
  if (byId("review").open) render();
}

export function open(chosen) {
  key = chosen;
  if (!byId("review").open) byId("review").showModal();
  render();
}

/** `after` is called when a word was said. */
export function beginReviewing(after) {
  changed = after;
  byId("review-words").append(...WORDS.map(([, name, said, kind]) => el("button", { type: "button", onclick: () => say(said, kind) }, t(`review.${name}`))),
    el("button", { type: "button", onclick: agree }, t("review.agree")), el("button", { type: "button", onclick: undo }, t("review.undo")));
  byId("review-kind").addEventListener("submit", (event) => {
    event.preventDefault();
    const kind = byId("review-kind").elements.kind;
    say("defect", kind.value).then((done) => { if (done) { kind.value = ""; byId("review").focus(); } }); // letters are keys again
  });
  byId("review-moves").append(el("button", { type: "button", onclick: () => move(-1) }, t("review.before")),
    el("button", { type: "button", onclick: () => move(1) }, t("review.next")),
    el("button", { type: "button", onclick: () => { heat = !heat; render(); } }, t("review.heat")),
    el("button", { type: "button", onclick: () => byId("review").close() }, t("review.close")));
  byId("review").addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const found = WORDS.find(([letter]) => letter === event.key);
    if (found) say(found[2], found[3]);
    else if (event.key === "y") agree();
    else if (event.key === "u") undo();
    else if (event.key === "m") { heat = !heat; render(); }
    else if (event.key === "ArrowRight") move(1);
    else if (event.key === "ArrowLeft") move(-1);
    else return;
    event.preventDefault();
  });
  document.body.addEventListener("me", () => { if (byId("review").open) render(); });
}

const present = () => defects.find((d) => key && same(d.key, key));
const proposed = (d) => d?.perhaps && d.perhaps[0] !== "unknown" ? d.perhaps[0] : null;

/** A person confirms what is proposed. */
function agree() {
  const kind = proposed(present());
  if (kind) say("defect", kind);
}

async function say(said, kind) {
  const d = present();
  if (saying || !d || !me.name || !d.closed) return false;
  saying = true;
  before.push({ key: d.key, word: d.word, kind: d.kind });
  if (before.length > 500) before.shift();
  try {
    if (!await act({ act: "review", key: d.key, word: said, kind })) { before.pop(); return false; }
    await changed();
    if (same(key, d.key)) move(1);
    return true;
  } finally { saying = false; }
}

async function undo() {
  const last = saying ? null : before.pop();
  if (!last) return;
  saying = true;
  try {
    if (await act({ act: "review", key: last.key, word: last.word, kind: last.kind })) { await changed(); key = last.key; render(); }
    else before.push(last);
  } finally { saying = false; }
}

function move(by) {
  const at = defects.findIndex((d) => key && same(d.key, key)), next = defects[at + by];
  if (next) key = next.key;
  render();
}

function render() {
  const d = present();
  if (!d) { byId("review").close(); return; }
  byId("review-place").textContent = `${place(d)}: ${size(d)}, ${t("defect.score", { score: number(d.score, 3) })}`;
  show(byId("review-picture"), picture(d, heat));
  byId("review-word").textContent = word(d);
  const named = [...new Set([...kinds, ...defects.map(proposed).filter(Boolean)])].sort();
  show(byId("review-kinds"), ...named.map((kind) => el("option", { value: kind })));
  for (const each of byId("review").querySelectorAll("#review-words button, #review-kind input, #review-kind button")) each.disabled = !me.name || !d.closed;
  const [agreeing, undoing] = [...byId("review-words").children].slice(-2);
  agreeing.disabled ||= !proposed(d);
  undoing.disabled = !me.name || !before.length;
  const at = document.activeElement;
  if (!byId("review").contains(at) || at.disabled) byId("review").focus(); // what cannot be pressed any more hears no keys
}
