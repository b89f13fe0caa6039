/** Completion in the editor: asked for with Tab or while somebody types, with what is known of each word beside the list. */

import { acceptCompletion, autocompletion, type Completion, type CompletionContext, completionKeymap, completionStatus, moveCompletionSelection, selectedCompletionIndex, startCompletion } from "@codemirror/autocomplete";
import { syntaxTree } from "@codemirror/language";
import type { EditorState, Extension } from "@codemirror/state";
import { type EditorView, keymap } from "@codemirror/view";
import { render } from "lit-html";
import { type Inspect, parts } from "./inspector";

export interface Found {
  readonly from: number;
  readonly to: number;
  readonly matches: readonly { readonly label: string; readonly type: string }[];
}

export interface CompletingHost {
  complete(code: string, cursor: number): Promise<Found | null>;
  readonly inspect: Inspect;
}

/** Milliseconds after the last key. */
const PAUSE = 120;

/** A word of two letters, or what follows a dot. */
const WORTH = /(?:[\p{L}_][\p{L}\p{N}_]+|\.[\p{L}_]?)$/u;

/** Editors whose list was asked for: then Enter takes from it. Otherwise it is a line break, as always. */
const asked = new WeakSet<EditorView>();

/** One question at a time: of those that wait only the newest is still wanted when its turn comes. */
let last: Promise<unknown> = Promise.resolve();

export function completing(host: CompletingHost): Extension {
  const list = autocompletion({
    override: [(context) => (isCode(context.state) ? ask(context, host) : null)],
    activateOnTyping: true,
    activateOnTypingDelay: PAUSE,
    selectOnOpen: false,
    interactionDelay: 0,
    icons: false,
    defaultKeymap: false,
  });
  // Behind the editor's own keys, which know whether the list was asked for.
  return [list, keymap.of(completionKeymap)];
}

async function ask(context: CompletionContext, host: CompletingHost) {
  if (!context.explicit && !isWorth(context)) return null;
  const code = context.state.doc.toString();
  // What is typed meanwhile overtakes it.
  context.addEventListener("abort", () => undefined, { onDocChange: true });
  const turn = last.then(async () => (context.aborted ? null : host.complete(code, context.pos)));
  last = turn.catch(() => undefined);
  const found = await turn;
  if (found === null || found.matches.length === 0 || context.aborted) return null;
  const option = ({ label, type }: Found["matches"][number]): Completion => ({
    label,
    ...(type === "" ? {} : { detail: type }),
    info: () => about(code.slice(0, found.from) + label, host.inspect),
  });
  return { from: found.from, options: found.matches.map(option), validFor: /^[\p{L}\p{N}_]*$/u };
}

/** A cell may be made text while it is edited. */
function isCode(state: EditorState): boolean {
  return syntaxTree(state).topNode.name === "Script";
}

function isWorth({ state, pos }: CompletionContext): boolean {
  const line = state.doc.lineAt(pos);
  if (!WORTH.test(line.text.slice(0, pos - line.from))) return false;
  return !/String|Comment|Number/.test(syntaxTree(state).resolveInner(pos, -1).name);
}

/** What is known of a word, as it would stand in the code; nothing where nothing is. */
async function about(code: string, inspect: Inspect): Promise<Node | null> {
  const told = await inspect(code, code.length, 0);
  if ("fault" in told) return null;
  const node = document.createElement("div");
  node.className = "inspector-text";
  node.dataset["completionInfo"] = "";
  render(parts(told.text), node);
  return node;
}

export function isListed(view: EditorView): boolean {
  return completionStatus(view.state) === "active";
}

/** Tab takes the chosen word, or the first. @returns whether there was a list */
export function take(view: EditorView): boolean {
  if (!isListed(view)) return false;
  if ((selectedCompletionIndex(view.state) ?? -1) < 0) moveCompletionSelection(true)(view);
  return acceptCompletion(view);
}

export function askFor(view: EditorView): boolean {
  asked.add(view);
  return startCompletion(view);
}

/** The list that was asked for is gone. */
export function settle(view: EditorView): void {
  if (completionStatus(view.state) === null) asked.delete(view);
}

/** Whether the list was asked for, or something in it is chosen. */
export function isWanted(view: EditorView): boolean {
  return isListed(view) && (asked.has(view) || (selectedCompletionIndex(view.state) ?? -1) >= 0);
}
