import { describe, expect, test } from "vitest";
import { blocksOf, partsOf } from "../src/inspection";

describe("parts", () => {
  test("are found by their names in red, and lose their colours", () => {
    const text = "\x1b[31mSignature:\x1b[39m f(x, k=\x1b[32m0\x1b[39m)\n\x1b[31mDocstring:\x1b[39m\nSays: no\n\x1b[31mType:\x1b[39m      function";
    expect(partsOf(text)).toEqual([
      { name: "Signature", text: "f(x, k=0)" },
      { name: "Docstring", text: "Says: no" },
      { name: "Type", text: "function" },
    ]);
  });

  test("that are empty are left out", () => {
    expect(partsOf("\x1b[31mType:\x1b[39m int\n\x1b[31mDocstring:\x1b[39m <no docstring>")).toEqual([{ name: "Type", text: "int" }]);
  });

  test("of another kernel are one without a name", () => {
    expect(partsOf("mean {base}\n  \x1b[1mArithmetic\x1b[0m\n")).toEqual([{ name: "", text: "mean {base}\n  Arithmetic" }]);
  });
});

test("a docstring has headings, examples and text", () => {
  const text = "Return ones.\n\nParameters\n----------\nN : int\n  Rows.\n\nExamples\n--------\n>>> eye(1)\narray([[1.]])\n\nMore.";
  expect(blocksOf(text)).toEqual([
    { kind: "text", text: "Return ones." },
    { kind: "heading", text: "Parameters" },
    { kind: "text", text: "N : int\n  Rows." },
    { kind: "heading", text: "Examples" },
    { kind: "code", text: ">>> eye(1)\narray([[1.]])" },
    { kind: "text", text: "More." },
  ]);
});
