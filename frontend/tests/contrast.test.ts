import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const TOKENS = readFileSync(join(import.meta.dirname, "../src/style/tokens.css"), "utf8");

/** The colours of a theme, by their names without the dashes. */
function colours(theme: "light" | "dark"): Map<string, string> {
  const block = TOKENS.split(`:root[data-theme="${theme}"] {`)[1]!.split("\n}")[0]!;
  return new Map([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map(([, name, value]) => [name!, value!]));
}

/** Source: WCAG 2.2, relative luminance and contrast ratio. */
function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light! + 0.05) / (dark! + 0.05);
}

const CODE = ["keyword", "string", "number", "comment", "name"].map((name) => `code-${name}`);
const ANSI = ["red", "green", "yellow", "blue", "magenta", "cyan", "white"].map((name) => `ansi-${name}`);

/** Text, and each ground that it stands on. */
const TEXT: readonly (readonly [readonly string[], readonly string[]])[] = [
  [["ink", "soft", "rubric"], ["paper", "leaf", "raised"]],
  [["ink"], ["select", "rubric-tint", "found"]],
  [["on-found"], ["found-here"]],
  [["good", "warn"], ["paper"]],
  [CODE, ["leaf", "raised"]],
  [ANSI, ["paper", "rubric-tint"]],
  [["on-rubric"], ["rubric"]],
  [["on-ink"], ["ink-0", "ink-1", "ink-2", "ink-3", "ink-4", "ink-5"]],
];

describe.each(["light", "dark"] as const)("the %s theme", (theme) => {
  const named = colours(theme);
  const pairs = TEXT.flatMap(([texts, grounds]) => texts.flatMap((text) => grounds.map((ground) => [text, ground] as const)));

  test.each(pairs)("sets %s on %s with a contrast of 4.5 or more", (text, ground) => {
    expect(contrast(named.get(text)!, named.get(ground)!)).toBeGreaterThanOrEqual(4.5);
  });

  test.each(["paper", "raised"])("draws the edges of fields on %s with a contrast of 3 or more", (ground) => {
    expect(contrast(named.get("edge")!, named.get(ground)!)).toBeGreaterThanOrEqual(3);
  });
});
