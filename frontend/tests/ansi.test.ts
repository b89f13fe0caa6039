import { expect, test } from "vitest";
import { inEightColours } from "../src/ansi";

test.each([
  ["plain", "plain"],
  ["\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"],
  ["\x1b[38;5;28mgreen\x1b[39m", "\x1b[32mgreen\x1b[39m"],
  ["\x1b[1;38;5;124mred", "\x1b[1;31mred"],
  ["\x1b[38;5;21;48;5;226mblue on yellow", "\x1b[34;43mblue on yellow"],
  ["\x1b[38;2;0;200;210mcyan", "\x1b[36mcyan"],
  ["\x1b[38;5;240mgrey", "\x1b[37mgrey"],
  ["\x1b[38;5;12mbright blue", "\x1b[34mbright blue"],
  ["\x1b[2Kcleared", "\x1b[2Kcleared"],
])("%j becomes %j", (text, expected) => {
  expect(inEightColours(text)).toBe(expected);
});
