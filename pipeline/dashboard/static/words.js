// The page's words, and the one way in which text gets onto it: as text, never as markup.

let words = {};

export async function loadWords() {
  words = await (await ask("static/strings.json")).json();
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
}

/** Asks the page's program; an answer that does not come in time is none. */
export const ask = (path, more = {}) => fetch(path, { ...more, signal: AbortSignal.timeout?.(10000) });

/** The words for a key, with {names} filled in; a word that nobody translated is shown as it is. */
export function t(key, values = {}) {
  if (words[key] === undefined) return key.slice(key.indexOf(".") + 1);
  return words[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? "");
}

/** An element with a class, children or text, and listeners by `on...`; all else are attributes. */
export function el(name, facts = {}, ...children) {
  return fill(document.createElement(name), facts, children);
}

/** The same inside a drawing. */
export function shape(name, facts = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), facts, children);
}

function fill(element, facts, children) {
  for (const [name, value] of Object.entries(facts)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Puts new children in place of the old, unless they look the same: what has the focus keeps it. */
export function show(element, ...children) {
  const fresh = document.createDocumentFragment();
  fresh.append(...children.filter((child) => child !== null));
  const before = element.dataset.shown, shown = [...fresh.childNodes].map((n) => n.outerHTML ?? n.textContent).join("");
  if (before === String(hash(shown))) return false;
  element.dataset.shown = hash(shown);
  element.replaceChildren(fresh);
  return true;
}

function hash(text) {
  let h = text.length;
  for (let i = 0; i < text.length; i++) h = (Math.imul(h, 31) + text.charCodeAt(i)) | 0;
  return h;
}

export const number = (value, digits = 0) => value === null || value === undefined ? t("unknown")
  : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
