/** From a key that was pressed to the command that it means, and how a key is written for people. */

import type { Actions } from "../../actions";
import type { State } from "../../state";
import { type Command, contextOf, isPossible } from "./command";
import { COMMANDS } from "./table";

/** Milliseconds between the two strokes of `d d`. */
const PAIR = 800;

/** Where a key was pressed: at a cell or nowhere, in a cell's editor, or in another field. */
export type Place = "cell" | "editor" | "field";

const WITH_KEYS: ReadonlyMap<string, Command> = new Map(COMMANDS.flatMap((command) => (command.keys ?? []).map((key) => [key, command] as const)));

let first: { readonly key: string; readonly at: number } | null = null;

type Stroke = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "altKey" | "shiftKey" | "metaKey">;

/** A stroke as the table writes it. On a Mac the command key is as good as Ctrl. */
export function strokeOf({ key, code, ctrlKey, altKey, shiftKey, metaKey }: Stroke): string {
  const letter = /^\p{L}$/u.test(key);
  const held = ctrlKey || metaKey || altKey;
  // With Shift the key of the minus says something else, on each keyboard another thing.
  const name = held && code === "Minus" ? "-" : letter && (shiftKey || held) ? key.toUpperCase() : key;
  const shift = shiftKey && (letter || held || key.length > 1);
  return `${ctrlKey || metaKey ? "Ctrl+" : ""}${altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${name}`;
}

/** Do what a key means where it was pressed. @returns whether it means anything there */
export function pressed(event: KeyboardEvent, place: Place, state: State, actions: Actions): boolean {
  if (event.isComposing || event.defaultPrevented) return false;
  const key = strokeOf(event);
  const pair = first !== null && first.key === key && event.timeStamp - first.at < PAIR ? `${key} ${key}` : null;
  first = place === "cell" ? { key, at: event.timeStamp } : null;
  const found = WITH_KEYS.get(key) ?? (pair === null ? undefined : WITH_KEYS.get(pair));
  if (found === undefined || (place !== "cell" && !reaches(found, key, place))) return false;
  first = null;
  const context = contextOf(state, actions);
  const known = context.notebook !== null || found.needs === undefined;
  const possible = isPossible(found, context);
  // Where there is nothing to fold, or to let go of, these are the browser's: they scroll, and leave the full screen.
  if (!possible && /^(?:ArrowLeft|ArrowRight|Escape)$/.test(key)) return false;
  if (known) event.preventDefault();
  if (possible) found.run(context);
  return known;
}

/** In a field only what concerns the whole page, such as the palette; and never a letter that would be written. */
function reaches(command: Command, key: string, place: Place): boolean {
  if (command.whileEditing !== true || !/^(Ctrl|Alt|Shift\+Enter)/.test(key)) return false;
  return place === "editor" || command.ofCell !== true;
}

const SIGNS: Readonly<Record<string, string>> = { ArrowUp: "↑", ArrowDown: "↓" };

/** A key as people read it. */
export function keyWords(key: string): string {
  return key.replace(/Arrow(Up|Down)/g, (name) => SIGNS[name] ?? name);
}

/** The keys that are CodeMirror's, for the sheet. */
export const EDITOR_KEYS: readonly (readonly [string, string])[] = [
  ["Esc", "Stop editing; then Tab moves on through the page"],
  ["Tab", "Complete the word, or indent"],
  ["Shift+Tab", "Tell about what is at the cursor, or outdent"],
  ["Ctrl+Z", "Undo"],
  ["Ctrl+Y", "Redo"],
];
