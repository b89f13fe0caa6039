/** How states, times and roles are said: one wording for captions, labels and the live region. */

import type { Notebook, CellState } from "../notebook";
import { behind, displayName, may, unsentEdits } from "../notebook";
import { triedBy } from "../overview";
import type { AccountName, CellId, FileFormat, Role, Run, Span } from "../protocol";
import type { State } from "../state";

export const STATE_WORDS: Readonly<Record<CellState["kind"], string>> = {
  never: "never run",
  queued: "queued",
  running: "running",
  done: "done",
  failed: "failed",
  interrupted: "interrupted",
  cancelled: "cancelled",
  died: "session ended",
  lost: "lost",
};

export const ROLE_WORDS: Readonly<Record<Role, string>> = {
  observe: "may look",
  answer: "may answer",
  run: "may run",
  edit: "may edit",
  own: "owner",
};

/** What somebody with the role is let do, for who gives it. */
export const ROLE_MEANS: Readonly<Record<Role, string>> = {
  observe: "Sees the cells and what comes out, live. Changes nothing.",
  answer: "Sees everything live, comments, and answers what running code asks for.",
  run: "Sees everything live and runs code, with the rights that yours has.",
  edit: "Sees everything live, writes, and runs code with the rights that yours has.",
  own: "Does everything, and decides who else may.",
};

/** What a worksheet can be downloaded as. */
export const FILES: readonly (readonly [FileFormat, string])[] = [
  ["ipynb", "Notebook (.ipynb)"],
  ["py", "Python script (.py)"],
  ["md", "Markdown (.md)"],
  ["html", "HTML (.html)"],
];

export function duration(seconds: number): string {
  if (seconds < 0.1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A cell as people find it. */
export function placeOf(notebook: Notebook, cell: CellId | null): string {
  const at = notebook.cells.findIndex(({ id }) => id === cell);
  return at === -1 ? "Code beside the cells" : `Cell ${at + 1}`;
}

/** As people say it; memory is counted in powers of two. */
export function bytes(count: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const unit = count < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  const value = count / 1024 ** unit;
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toPrecision(2))} ${units[unit]}`;
}

/** What follows the word of a state: who, how long, why. */
export function stateDetail(notebook: Notebook, state: CellState, now: number): string {
  const by = (account: AccountName) => (account === notebook.me ? "" : `by ${displayName(notebook, account)}`);
  const parts: string[] = [];
  switch (state.kind) {
    case "never":
      return "";
    case "queued":
      parts.push(state.ahead > 0 ? `${state.ahead} before it` : "", by(state.by));
      break;
    case "running":
      parts.push(state.asks ? "waits for an answer" : counted(state.since, now), by(state.by));
      break;
    case "done":
    case "failed":
      parts.push(state.seconds === null ? "" : duration(state.seconds), by(state.by));
      break;
    default:
      // The word of the state says this already.
      parts.push(state.reason === "KeyboardInterrupt" ? "" : namingCells(notebook, state.reason), by(state.by));
  }
  return parts.filter((part) => part !== "").join(", ");
}

/** The kernel knows requests, people know cells. */
function namingCells(notebook: Notebook, reason: string): string {
  let named = reason;
  notebook.cells.forEach((cell, index) => {
    const run = notebook.runs.get(cell.id);
    if (run !== undefined) named = named.replaceAll(run.msg_id, `cell ${index + 1}`);
  });
  return named;
}

/** Whole seconds since then; nothing in the first, nor when the server's clock is ahead. */
export function counted(since: string, now: number): string {
  const seconds = Math.floor((now - Date.parse(since)) / 1000);
  return seconds < 1 ? "" : duration(seconds).replace(".0 ", " ");
}

/** The day as people say it; the time of day only while it is today. */
export function day(iso: string, now: number): string {
  const date = new Date(iso);
  const today = new Date(now);
  if (date.toDateString() === today.toDateString())
    return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const sameYear = date.getFullYear() === today.getFullYear();
  return date.toLocaleDateString(undefined, { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
}

/** A moment as people say it, to the minute. */
export function moment(iso: string, now: number): string {
  const time = new Date(iso).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  return new Date(iso).toDateString() === new Date(now).toDateString() ? time : `${day(iso, now)}, ${time}`;
}

/** Names as a sentence has them. */
export function list(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** What was done in a span of the history. */
export function spanWords({ kinds }: Span): string {
  const cells = (count: number) => (count === 1 ? "a cell" : `${count} cells`);
  const parts: string[] = [];
  if (kinds.worksheet_restored !== undefined) parts.push("went back");
  if (kinds.cell_created !== undefined) parts.push(`added ${cells(kinds.cell_created)}`);
  if (kinds.cell_edited !== undefined) parts.push("wrote");
  if (kinds.cell_moved !== undefined) parts.push(`moved ${cells(kinds.cell_moved)}`);
  if (kinds.cell_converted !== undefined) parts.push(`changed the kind of ${cells(kinds.cell_converted)}`);
  if (kinds.cell_annotated !== undefined) parts.push(`changed how ${cells(kinds.cell_annotated)} ${kinds.cell_annotated === 1 ? "is" : "are"} shown`);
  if (kinds.comment_created !== undefined) parts.push(kinds.comment_created === 1 ? "commented" : `commented ${kinds.comment_created} times`);
  if (kinds.cell_deleted !== undefined) parts.push(`deleted ${cells(kinds.cell_deleted)}`);
  if (kinds.outputs_cleared !== undefined) parts.push("deleted outputs");
  if (kinds.run_created !== undefined) parts.push(`ran ${cells(kinds.run_created)}`);
  return list(parts);
}

/** How a run went, in the words of a caption. */
export function runWords(notebook: Notebook, run: Run, now: number): string {
  const state = { ok: "done", error: "failed" }[run.state as string] ?? STATE_WORDS[run.state as CellState["kind"]];
  const seconds = run.started !== null && run.ended !== null ? (Date.parse(run.ended) - Date.parse(run.started)) / 1000 : null;
  return [moment(run.created, now), displayName(notebook, run.account), state, seconds === null ? "" : duration(seconds)]
    .filter((part) => part !== "")
    .join(", ");
}

/** The one line at the top: a stable word for programs, a sentence for people. */
export function connectionWords(state: State): { readonly word: string; readonly text: string } {
  const { connection, notebook, now } = state;
  const unsent = notebook !== null && unsentEdits(notebook);
  if (connection.kind === "waiting") {
    const seconds = Math.max(1, Math.ceil((connection.until - now) / 1000));
    const kept = unsent ? "; your edits are kept" : "";
    return connection.attempt > 3
      ? { word: "offline", text: `Offline, trying again in ${seconds} s${kept}` }
      : { word: "reconnecting", text: `Reconnecting in ${seconds} s${kept}` };
  }
  if (connection.kind !== "connected") return { word: "connecting", text: "Connecting" };
  if (state.route.page === "worksheet" && notebook === null && state.closed === null) return { word: "opening", text: "Opening" };
  if (state.kernel !== "ready") return { word: `kernel-${state.kernel}`, text: `Connected, the kernel is ${state.kernel}` };
  const missing = notebook === null ? 0 : behind(notebook);
  if (missing > 0) return { word: "catching-up", text: `Catching up, ${missing} to go` };
  const rights = rightsWords(notebook);
  if (!connection.polling) return { word: rights.word, text: `Connected${rights.text}` };
  // The same stable words: what may be done does not depend on how news come.
  const polling = "without WebSocket: news come a little later";
  return { word: rights.word, text: rights.text === "" ? `Connected ${polling}` : `Connected${rights.text}; ${polling}` };
}

function rightsWords(notebook: Notebook | null): { readonly word: string; readonly text: string } {
  if (notebook?.worksheet.role === "answer") return { word: "read-only", text: "; you may answer and comment, not run" };
  if (notebook !== null && !may(notebook.worksheet.role, "run")) return { word: "read-only", text: ", read-only" };
  if (notebook !== null && !may(notebook.worksheet.role, "edit")) return { word: "connected", text: "; you may run, not edit" };
  return { word: "connected", text: "" };
}

/** The session in a phrase; empty when there is nothing to say. */
export function sessionWords(notebook: Notebook): string {
  const session = notebook.session;
  if (session === null) return "no session yet";
  switch (session.state) {
    case "busy": {
      const who = triedBy(notebook);
      return who === null || who === notebook.me ? "session busy" : `session busy with what ${displayName(notebook, who)} tries`;
    }
    case "interrupted":
      return session.reason === "" ? "session interrupted" : "session does not stop";
    case "starting":
      return "session starting";
    case "restarting":
      return "session restarting";
    case "dead":
      return session.reason === "" ? "session ended" : `session ended: ${session.reason}`;
    case "lost":
      return session.reason === "" ? "session lost" : `session lost: ${session.reason}`;
    case "closed":
      return "session closed";
    case "idle":
      return "session ready";
    case "unknown":
      return "session not reached";
  }
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("");
}

/** One of six inks, the same for one person everywhere. */
export function hue(name: string): number {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 6007;
  return sum % 6;
}
