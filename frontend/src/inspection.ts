/** What IPython tells of an object, taken apart: its parts by name, and the paragraphs of a docstring. Pure. */

import { styled } from "./ansi";

/** What is known of a place in code: a text with ANSI colours, or why there is none. */
export type Told = { readonly text: string } | { readonly fault: string };

export interface Part {
  /** Empty for what has no name, as other kernels tell it. */
  readonly name: string;
  readonly text: string;
}

/** A name in red at the beginning of a line, and a colon. */
const NAME = /^\x1b\[(?:0;)?31m([A-Z][\w ]*):\x1b\[(?:39|0)m[ \t]*\n?/gm;

export function partsOf(text: string): readonly Part[] {
  const names = [...text.matchAll(NAME)];
  if (names.length === 0) return [{ name: "", text: styled(text).plain.trim() }];
  return names
    .map((match, at) => ({ name: match[1] ?? "", text: styled(text.slice(match.index + match[0].length, names[at + 1]?.index)).plain.trimEnd() }))
    .filter((part) => part.text.trim() !== "" && part.text.trim() !== "<no docstring>");
}

export type Block = { readonly kind: "text" | "code" | "heading"; readonly text: string };

/** A docstring as its writers lay it out: underlined headings, examples with prompts, and text between. */
export function blocksOf(docstring: string): readonly Block[] {
  const lines = docstring.split("\n");
  const blocks: Block[] = [];
  let kind = "text" as Block["kind"];
  let held: string[] = [];
  const close = (next: Block["kind"]) => {
    const text = held.join("\n").replace(/^(\s*\n)+|\s+$/g, "");
    if (text !== "") blocks.push({ kind, text });
    held = [];
    kind = next;
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line.trim() !== "" && /^\s*([-=~])\1{2,}\s*$/.test(lines[at + 1] ?? "")) {
      close("text");
      blocks.push({ kind: "heading", text: line.trim() });
      at++;
    } else if (/^\s*>>>/.test(line) && kind !== "code") {
      close("code");
      held.push(line);
    } else if (kind === "code" && line.trim() === "") {
      close("text");
    } else {
      held.push(line);
    }
  }
  close("text");
  return blocks;
}
