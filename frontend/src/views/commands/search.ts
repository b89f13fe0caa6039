/** Which commands somebody means by a few letters. Pure. */

import type { Command } from "./command";

/** How well a word answers to some of its letters, the first among them: null when it does not, otherwise less is better. */
export function distance(letters: string, word: string): number | null {
  if (letters[0] !== word[0]) return null;
  let at = 0;
  let sum = word.length === letters.length ? 0 : 1;
  for (const letter of letters.slice(1)) {
    const next = word.indexOf(letter, at + 1);
    if (next === -1) return null;
    sum += 2 * (next - at - 1);
    at = next;
  }
  return sum;
}

/** The best of the words, or of their initials. */
function nearest(letters: string, text: string): number {
  const words = text.split(" ");
  const initials = words.map((word) => word[0]).join("");
  const found = words.map((word, place) => (distance(letters, word) ?? Infinity) + Math.min(place, 3));
  return Math.min(...found, letters.length > 1 && initials.startsWith(letters) ? 2 : Infinity);
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
}

/** Every word must be found, each somewhere. */
function score(query: readonly string[], command: Command): number | null {
  const name = plain(command.name);
  const words = plain(`${command.words ?? ""} ${command.group}`);
  let sum = 0;
  for (const word of query) {
    const best = Math.min(nearest(word, name), nearest(word, words) + 4);
    if (best === Infinity) return null;
    sum += best;
  }
  return sum;
}

/** Those that answer, the best first; all, in their order, when nothing is asked. */
export function search(query: string, commands: readonly Command[]): readonly Command[] {
  const words = plain(query).split(" ").filter((word) => word !== "");
  if (words.length === 0) return commands;
  return commands
    .flatMap((command) => {
      const sum = score(words, command);
      return sum === null ? [] : [{ command, sum }];
    })
    .sort((a, b) => a.sum - b.sum)
    .map(({ command }) => command);
}
