// Who sits here, and what he tells the line.
import { ask, el, t } from "./words.js";

const byId = (id) => document.getElementById(id);
export let me = { name: null };
let hidden = null;

/** Sends a wish; says what became of it. True when it was done. */
export async function act(wish) {
  try {
    const answer = await post("acts", wish);
    say(answer.ok ? answer.body.outcome || t("done") : t("failed", { why: answer.body.error }));
    if (answer.status === 401) await learnMe();
    return answer.ok;
  } catch {
    say(t("failed", { why: t("unreachable") }));
    return false;
  }
}

/** The same from a button, which cannot be pressed again until it is answered. */
export async function press(pressed, wish) {
  pressed.disabled = true;
  try { return await act(wish); } finally { pressed.disabled = false; }
}

async function post(path, body) {
  const answer = await ask(path, { method: "POST", body: JSON.stringify(body), credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-CSRF": me.csrf ?? "" } });
  const told = await answer.json().catch(() => ({}));
  if (!told.error && !answer.ok) told.error = answer.statusText || String(answer.status);
  return { ok: answer.ok, status: answer.status, body: told };
}

export function say(words) {
  byId("said").textContent = words;
  if (byId("said").showPopover) { // above an open dialog, which came before it
    byId("said").hidePopover();
    byId("said").showPopover();
  }
  clearTimeout(hidden);
  hidden = setTimeout(() => { byId("said").textContent = ""; }, 8000);
}

/** Asks who is signed in, and lets him do what he may. */
export async function learnMe() {
  me = await (await ask("me", { credentials: "same-origin" })).json();
  byId("me").textContent = me.name ? t("sign.as", { name: me.name, role: t(`role.${me.role}`) }) : "";
  byId("sign").textContent = t(me.name ? "sign.out" : "sign.in");
  document.body.dispatchEvent(new Event("me"));
}

/** The buttons and forms that are always there. */
export function beginActing(kinds) {
  byId("sign").addEventListener("click", async () => {
    if (!me.name) { byId("sign-error").textContent = ""; byId("sign-dialog").showModal(); return; }
    await post("sign-out", {});
    await learnMe();
  });
  byId("sign-cancel").addEventListener("click", () => byId("sign-dialog").close());
  byId("sign-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = event.target.elements.token;
    const answer = await post("sign-in", { token: field.value }).catch(() => ({ ok: false, body: { error: t("unreachable") } }));
    byId("sign-error").textContent = answer.ok ? "" : answer.body.error;
    if (!answer.ok) return;
    field.value = "";
    byId("sign-dialog").close();
    await learnMe();
  });
  byId("roll-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const { roll_id, style } = event.target.elements;
    press(event.submitter, { act: "roll_start", roll_id: roll_id.value, style: style.value || null }).then((ok) => { if (ok) roll_id.value = ""; });
  });
  byId("roll-end").addEventListener("click", (event) => press(event.currentTarget, { act: "roll_end" }));
  byId("event-form").elements.kind.append(...kinds.map((kind) => el("option", { value: kind }, t(`event.${kind}`))));
  byId("event-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const { kind, length_mm } = event.target.elements;
    press(event.submitter, { act: "event", kind: kind.value, length_mm: Number(length_mm.value) });
  });
  byId("bypass-form").addEventListener("submit", (event) => event.preventDefault());
  byId("bypass-on").addEventListener("click", () => byId("bypass-dialog").showModal());
  byId("bypass-no").addEventListener("click", () => byId("bypass-dialog").close());
  byId("bypass-yes").addEventListener("click", () => { byId("bypass-dialog").close(); act({ act: "bypass", on: true }); });
  byId("bypass-off").addEventListener("click", (event) => press(event.currentTarget, { act: "bypass", on: false }));
}
