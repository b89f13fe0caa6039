/** Puts the parts together: the store, a transport, the actions, and a drawing for each new state. */

import "./style/fonts.css";
import "./style/tokens.css";
import "./style/page.css";
import "./style/cells.css";
import "./style/many.css";
import "./style/find.css";
import "./style/outputs.css";
import "./style/past.css";
import "./style/admin.css";
import "./style/panes.css";
import "./style/home.css";
import "./style/variables.css";
import "./style/session.css";
import "./style/inspector.css";
import "./style/files.css";
import "./style/together.css";
import "./style/slides.css";
import "./style/print.css";
import { render } from "lit-html";
import { Actions } from "./actions";
import { newlySaid } from "./comments";
import { FallbackTransport } from "./fallback";
import { postRpc } from "./http";
import { caretOf, cellState, displayName, may, type Notebook } from "./notebook";
import { overviewOf, workState } from "./overview";
import { PollingTransport } from "./polling";
import { promptsOf } from "./prompts";
import { START, type State } from "./state";
import { Store } from "./store";
import { systemClock } from "./transport";
import { followArriving } from "./views/arriving";
import { CellWindow } from "./views/cell-window";
import { shareClipboard } from "./views/clipboard";
import { browserDesk } from "./views/desk";
import { Dragging } from "./views/dragging";
import type { EditorHost } from "./views/editor";
import { type Place, pressed } from "./views/commands/keys";
import { isOwnAction } from "./views/following";
import { homeKey } from "./views/home";
import { tabIcon } from "./views/marks";
import { Marking } from "./views/marking";
import { page } from "./views/page";
import { keepPlace, placeIn, selectionMoved, setSelection } from "./views/places";
import { sameChoice, storedPreferences, storePreferences } from "./views/preferences";
import { slideKey } from "./views/slides";
import { rememberTrust, trustedIn } from "./views/trust";
import { hostWidgets, widgetsChanged } from "./views/widgets";
import { STATE_WORDS } from "./views/words";
import { type Socket, WebSocketTransport } from "./websocket";

const darkSystem = matchMedia("(prefers-color-scheme: dark)");

function socket(): Socket {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return new WebSocket(`${scheme}://${location.host}/rpc`);
}

const store = new Store<State>({ ...START, ...storedPreferences(), now: Date.now() });
const actions = new Actions(store, new FallbackTransport(new WebSocketTransport(socket), new PollingTransport(postRpc)), systemClock, browserDesk);
const host: EditorHost = {
  moved: (cell, anchor, head) => {
    selectionMoved({ cell, anchor, head });
    actions.caretMoved(cell, anchor, head);
  },
  typed: (cell, change) => actions.typed(cell, change),
  complete: (code, cursor) => actions.complete(code, cursor),
  inspect: (code, cursor, detail) => actions.inspect(code, cursor, detail),
  pressed: (event) => pressed(event, "editor", store.state, actions),
  leave: (cell) => actions.choose(cell, false),
  step: (by) => actions.step(by),
};

const cells = new CellWindow(schedule);
const marking = new Marking((top) => cells.returnTo(top));
const dragging = new Dragging(() => store.state, actions);
shareClipboard(store, actions);

hostWidgets({
  widgets: (session) => store.state.notebook?.widgets.get(session) ?? null,
  send: (...message) => actions.tellWidget(...message),
});

// --- Drawing ----------------------------------------------------------------------------------

const root = document.getElementById("page") as HTMLElement;
const announcer = document.getElementById("announcer") as HTMLElement;
const tab = document.querySelector<HTMLLinkElement>("link[rel=icon]") as HTMLLinkElement;
let drawn: State = START;
let scheduled = false;
let drawing = false;

function isDark({ theme }: State): boolean {
  return theme === "system" ? darkSystem.matches : theme === "dark";
}

function draw(): void {
  scheduled = false;
  drawing = true;
  const arrives = changesPlace(drawn, store.state);
  const state = store.state;
  const dark = isDark(state);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  document.documentElement.toggleAttribute("data-line-numbers", state.lineNumbers);
  document.documentElement.toggleAttribute("data-with-pane", state.pane !== null && state.notebook !== null && state.past === null);
  document.documentElement.toggleAttribute("data-presenting-page", state.presenting !== null);
  const held = root.contains(document.activeElement);
  render(page(state, actions, dark, host, cells, dragging), root);
  cells.drew(root.querySelector("[data-cells]"));
  followFocus(drawn, state, !arrives);
  followArriving(drawn, state, root, actions);
  if (state.reveal !== drawn.reveal && state.reveal !== null) reveal(state.reveal);
  if (held && document.activeElement === document.body) catchFocus(state);
  followPerson(drawn, state);
  marking.drew(state, root.querySelector("[data-cells]"));
  if (state.notebook?.widgets !== drawn.notebook?.widgets) widgetsChanged();
  nameTab(state);
  if (state.said !== drawn.said) announcer.textContent = state.said;
  if (state.notebook !== null && drawn.notebook !== null) announce(drawn.notebook, state.notebook);
  drawn = state;
  drawing = false;
}

/** Remember the place in a worksheet that is left, and go back to it in one that is shown again. @returns whether it did */
function changesPlace(before: State, { notebook }: State): boolean {
  if (before.notebook !== null && before.notebook.worksheet.id !== notebook?.worksheet.id) keepPlace(before, cells.top);
  if (notebook === null || before.notebook !== null) return false;
  const place = placeIn(notebook.worksheet.id);
  if (place === null) return false;
  cells.returnTo(place.top);
  if (!notebook.cells.some(({ id }) => id === place.current)) return false;
  if (place.selection !== null) setSelection(place.selection);
  actions.choose(place.current, place.editing);
  return true;
}

/** The next key must find the focus where this one put it: Esc, then `?`, typed fast. */
function movesFocus({ current, editing, dialog, reveal, route, find, arriving }: State): boolean {
  return arriving?.cell !== drawn.arriving?.cell || find?.asked !== drawn.find?.asked || find?.jump !== drawn.find?.jump || reveal !== drawn.reveal || current !== drawn.current || editing !== drawn.editing || dialog !== drawn.dialog || route !== drawn.route;
}

/** Many publications come in one frame; a hidden page has no frames, and its tab still tells the state. */
function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(draw, 250);
  else requestAnimationFrame(draw);
}

/** When the current cell changes, the focus goes there, unless a person is in a field or a dialog. */
function followFocus(before: State, { current, editing, dialog, route }: State, scrolls: boolean): void {
  if (route.page !== "worksheet" || current === null || dialog !== null) return;
  if (before.current === current && before.editing === editing) return;
  const cell = root.querySelector<HTMLElement>(`[data-cell-id="${CSS.escape(current)}"]`);
  if (cell === null) return;
  // Who is there already came by pointer or Tab: to scroll now would move the cell away under a click.
  const there = cell.contains(document.activeElement);
  // Who looks for something goes on looking; the hit is brought before the eyes, not its cell.
  if (document.activeElement?.closest("[data-find]")) return;
  if (editing) {
    // A new editor takes the focus itself; a cell that is edited again may have kept its editor.
    const editor = cell.querySelector<HTMLElement>("cell-editor");
    if (editor !== null && !editor.contains(document.activeElement)) editor.focus();
  } else if (!cell.contains(document.activeElement) || document.activeElement === document.body || before.editing) {
    if (document.activeElement?.closest("input, select, textarea") === null || before.editing) cell.focus({ preventScroll: true });
  }
  if (!there && scrolls) (editing ? (cell.querySelector(".source") ?? cell) : cell).scrollIntoView({ block: "nearest" });
}

/** Who asked to go there is nowhere else any more: not in the list that was clicked, nor in a field. */
function reveal({ cell, prompt }: NonNullable<State["reveal"]>): void {
  const field = prompt === undefined ? null : root.querySelector<HTMLElement>(`[data-prompt="${CSS.escape(prompt)}"] input`);
  const element = field ?? (cell === null ? null : root.querySelector<HTMLElement>(`[data-cell-id="${CSS.escape(cell)}"]`));
  element?.focus({ preventScroll: true });
  element?.scrollIntoView({ block: "center" });
}

/** The page goes where somebody writes, when that is another cell than before. */
function followPerson(before: State, { following, notebook }: State): void {
  if (following === null || notebook === null) return;
  const cell = caretOf(notebook, following)?.cell;
  const old = before.following === following && before.notebook !== null ? caretOf(before.notebook, following)?.cell : undefined;
  if (cell === undefined || cell === old) return;
  root.querySelector(`[data-cell-id="${CSS.escape(cell)}"]`)?.scrollIntoView({ block: "center" });
}

/** What had the focus is gone, such as a prompt that was answered: the keys go on at the current cell. */
function catchFocus({ current, route }: State): void {
  if (route.page !== "worksheet" || current === null) return;
  const cell = root.querySelector<HTMLElement>(`[data-cell-id="${CSS.escape(current)}"]`);
  (cell?.querySelector<HTMLElement>("cell-editor") ?? cell)?.focus({ preventScroll: true });
}

function nameTab({ notebook, route, unseen }: State): void {
  if (route.page !== "worksheet" || notebook === null) {
    document.title = "Antiphon";
    tab.href = tabIcon("idle");
    return;
  }
  const work = workState(notebook);
  const asks = may(notebook.worksheet.role, "answer") && promptsOf(notebook).length > 0;
  const sign = asks ? "? " : unseen === "done" && work === "idle" ? "✓ " : { idle: "", running: "▸ ", failed: "✗ " }[work];
  document.title = `${sign}${notebook.worksheet.title} · Antiphon`;
  const icon = tabIcon(work === "idle" && unseen === "done" ? "done" : work);
  if (tab.href !== icon) tab.href = icon;
}

/** Tell a screen reader what others said, and how runs ended. Their beginnings would be noise. */
function announce(before: Notebook, now: Notebook): void {
  const said = newlySaid(before, now);
  if (said !== "") announcer.textContent = said;
  if (before.worksheet.id !== now.worksheet.id || overviewOf(before) === overviewOf(now)) return;
  const { kinds } = overviewOf(now);
  for (const cell of overviewOf(before).open) {
    const kind = kinds.get(cell);
    const place = now.cells.findIndex(({ id }) => id === cell) + 1;
    if (kind === undefined || kind === "queued" || kind === "running" || place === 0) continue;
    const state = cellState(now, cell);
    const by = state.kind === "never" || state.by === now.me ? "" : `, run by ${displayName(now, state.by)}`;
    announcer.textContent = `Cell ${place} ${STATE_WORDS[kind]}${by}`;
  }
}

// --- What comes from the browser --------------------------------------------------------------

let trusting: State = START;

/** What this reader allowed before holds again; what is allowed now is remembered. */
function keepTrust(state: State): void {
  const before = trusting;
  trusting = state;
  if (state.notebook === null) return;
  if (before.notebook?.worksheet.id !== state.notebook.worksheet.id) store.set({ trusted: trustedIn(state.notebook) });
  else if (before.trusted !== state.trusted) rememberTrust(state.notebook, state.trusted);
}

store.watch((state) => {
  keepTrust(state);
  if (!sameChoice(state, drawn)) storePreferences(state);
  if (movesFocus(state) && !drawing) draw();
  else schedule();
});
darkSystem.addEventListener("change", schedule);
addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (store.state.dialog !== null || target.closest("dialog") !== null) return;
  if (store.state.presenting !== null) return void slideKey(event, store.state, actions);
  if (store.state.route.page === "home" && target === document.body) homeKey(event, store.state, actions);
  if (store.state.past !== null && event.key === "Escape" && target === document.body) actions.past.closeHistory();
  else pressed(event, placeOf(target), store.state, actions);
});

/** With the focus nowhere, the keys still speak to the current cell. */
function placeOf(target: HTMLElement): Place {
  if (target.closest(".scratch") !== null) return "field";
  if (target.closest(".cm-editor") !== null) return "editor";
  return target.closest("input, textarea, select, button, summary, a") === null ? "cell" : "field";
}

for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"])
  addEventListener(kind, (event) => isOwnAction(event, store.state) && store.set({ following: null }), { capture: true, passive: true });
addEventListener("beforeprint", () => ((cells.whole = true), draw()));
addEventListener("afterprint", () => ((cells.whole = false), draw()));
addEventListener("popstate", () => actions.wentBack());
// A link that is opened where the page stands already changes the address only.
addEventListener("hashchange", () => {
  if (/^#(link|visit|join)=/.test(location.hash)) location.reload();
});
addEventListener("online", () => actions.retryNow());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  actions.retryNow();
  void actions.home.lookAgain();
  actions.metering.wake();
  actions.bell.seen();
});
// Where the page is comes back with it, when there is something to scroll.
history.scrollRestoration = "manual";
addEventListener("pagehide", () => keepPlace(store.state, cells.top));
addEventListener("beforeunload", (event) => {
  // What is typed goes out now; only without a WebSocket could it be lost.
  actions.sendNow();
  const { connection } = store.state;
  if (actions.unsent && (connection.kind !== "connected" || connection.polling)) event.preventDefault();
});
document.addEventListener("click", ({ target }) => {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("[data-menu][open]"))
    if (!menu.contains(target as Node)) menu.open = false;
});

/** Seconds are counted only while there is something to count. */
setInterval(() => {
  const { notebook, connection } = store.state;
  if (connection.kind === "waiting" || (notebook !== null && workState(notebook) === "running")) store.set({ now: Date.now() });
}, 1000);

/** The list shows what others changed; who does not look at it costs nothing. */
setInterval(() => {
  if (!document.hidden) void actions.home.lookAgain();
}, 5_000);

draw();
void actions.start();
