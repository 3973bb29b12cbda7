// What the cameras see: small pictures once a second, only while they are on the screen; under their heat map where asked for.
import { ask, el, number, show, t } from "./words.js";

const EVERY_MS = 1000, OLD_S = 3;
const byId = (id) => document.getElementById(id);
const figures = new Map();
let heat = false, seen = false, asking = false;

/** Begins to watch whenever the pictures are on the screen. */
export function beginWatching() {
  byId("heat").addEventListener("click", () => { heat = !heat; watch(); });
  new IntersectionObserver((entries) => { seen = entries.at(-1).isIntersecting; watch(); }).observe(byId("watch"));
  setInterval(watch, EVERY_MS);
  legend(true);
}

async function watch() {
  byId("heat").setAttribute("aria-pressed", heat);
  byId("heat-legend").hidden = !heat;
  if (asking || !seen || document.hidden || byId("watch").hidden) return;
  asking = true;
  try {
    const told = await (await ask("pictures")).json();
    legend(told.judged);
    for (const camera of told.cameras) draw(camera);
    for (const [name, figure] of figures) { // the line was started again without it
      if (told.cameras.every((camera) => camera.name !== name)) { figure.image.parentNode.remove(); figures.delete(name); }
    }
  } catch { /* the page says by itself that the connection is lost */ } finally { asking = false; }
}

function draw(camera) {
  const what = camera[heat ? "heat" : "plain"];
  let figure = figures.get(camera.name);
  if (!figure) {
    figure = { image: el("img", { alt: "", class: "live" }), words: el("figcaption") };
    figures.set(camera.name, figure);
    byId("pictures").append(el("figure", { "data-camera": camera.name }, figure.image, figure.words));
  }
  const { image, words } = figure, old = what && what.age_s > OLD_S;
  if (what) {
    const source = `picture/${encodeURIComponent(camera.name)}?number=${what.number}${heat ? "&heat=1" : ""}`;
    if (image.getAttribute("src") !== source) image.src = source;
    image.alt = t(heat ? "watch.heat.alt" : "watch.alt", { camera: camera.name });
  } else { image.removeAttribute("src"); image.alt = ""; }
  words.textContent = t(!what ? "watch.none" : old ? "watch.old" : "watch.now", { camera: camera.name, s: number(what?.age_s) });
  words.className = !what || old ? "bad" : "";
}

/** The colours in words: without a card there is no threshold. */
function legend(judged) {
  const ends = judged ? ["0", t("watch.threshold"), t("watch.twice")] : ["0", "", "1"];
  show(byId("heat-legend"), el("span", { class: "heat-scale" }), el("span", { class: "heat-ends" }, ...ends.map((words) => el("span", {}, words))),
    judged ? el("span", {}, t("watch.outline")) : null);
}
