import { expect, test } from "vitest";
import { formulasIn } from "../src/math";

/** Formulas between bars, those of a line of their own between two. */
function marked(text: string): string {
  return formulasIn(text).map((piece) => (piece.kind === "text" ? piece.text : piece.display ? `‖${piece.tex}‖` : `|${piece.tex}|`)).join("");
}

test.each([
  ["where $x^2$ is", "where |x^2| is"],
  ["$$\\int_0^1 x$$", "‖\\int_0^1 x‖"],
  ["$a$ and $b$", "|a| and |b|"],
  ["from $5 to $6, $x$", "from $5 to $6, |x|"],
  ["\\$5 and $y$", "\\$5 and |y|"],
  ["$\\displaystyle \\frac{1}{2}$", "|\\displaystyle \\frac{1}{2}|"],
  ["\\begin{align}a&=b\\end{align} so", "‖\\begin{align}a&=b\\end{align}‖ so"],
  ["\\(x\\) and \\[y\\]", "|x| and ‖y‖"],
  ["$a\n\nb$ $c$", "$a\n\nb$ |c|"],
  ["x^2", "‖x^2‖"],
])("%j is taken apart", (text, expected) => {
  expect(marked(text)).toBe(expected);
});
