import { expect, test } from "vitest";
import { parts, PLAIN, styled } from "../src/ansi";

test.each([
  ["plain", [["plain", {}]]],
  ["a\x1b[31mred\x1b[0mb", [["a", {}], ["red", { colour: 1 }], ["b", {}]]],
  ["\x1b[91;1mbright\x1b[22;39m.", [["bright", { colour: 9, bold: true }], [".", {}]]],
  ["\x1b[38;5;28mgreen\x1b[39m", [["green", { colour: "0 135 0" }]]],
  ["\x1b[1;38;5;124mred", [["red", { colour: "175 0 0", bold: true }]]],
  ["\x1b[38;5;21;48;5;226mblue on yellow", [["blue on yellow", { colour: "0 0 255", ground: "255 255 0" }]]],
  ["\x1b[38;2;0;200;210mcyan", [["cyan", { colour: "0 200 210" }]]],
  ["\x1b[38:5:240mgrey", [["grey", { colour: "88 88 88" }]]],
  ["\x1b[38;5;12mnamed", [["named", { colour: 12 }]]],
  ["\x1b[3;4;7;9mall\x1b[23;24;27;29mnone", [["all", { italic: true, underline: true, inverse: true, struck: true }], ["none", {}]]],
  ["\x1b[2Kcleared\x1b[?25l", [["cleared", {}]]],
  ["\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x1b\\", [["link", {}]]],
  ["half \x1b[3", [["half [3", {}]]],
] as const)("%j is read as its parts", (text, expected) => {
  expect(parts(styled(text))).toEqual(expected.map(([part, look]) => ({ text: part, look: { ...PLAIN, ...look } })));
});

test("a stretch of it has the looks that it has in the whole", () => {
  const all = styled("ab\x1b[31mcdef\x1b[0mgh");
  expect(all.plain).toBe("abcdefgh");
  expect(parts(all, 3, 7).map(({ text, look }) => [text, look.colour])).toEqual([["def", 1], ["g", null]]);
  expect(parts(all, 8, 8)).toEqual([]);
});
