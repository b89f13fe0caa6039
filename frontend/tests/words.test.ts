import { describe, expect, test } from "vitest";
import { openNotebook } from "../src/notebook";
import type { AccountName, SessionUid } from "../src/protocol";
import { START, type State } from "../src/state";
import { connectionWords, sessionWords } from "../src/views/words";
import { snapshot } from "./feed";

const notebook = openNotebook("ana" as AccountName, snapshot({ session: { uid: "s" as SessionUid, cursor: 0 } }));
const connected: State = { ...START, connection: { kind: "connected", polling: false }, notebook };

describe("the line at the top", () => {
  test("says that the kernel is gone or starting, while there is a connection", () => {
    expect(connectionWords(connected)).toEqual({ word: "connected", text: "Connected" });
    expect(connectionWords({ ...connected, kernel: "gone" })).toEqual({ word: "kernel-gone", text: "Connected, the kernel is gone" });
    expect(connectionWords({ ...connected, kernel: "starting" })).toEqual({ word: "kernel-starting", text: "Connected, the kernel is starting" });
    expect(connectionWords({ ...connected, connection: { kind: "connecting" }, kernel: "gone" } as State).word).toBe("connecting");
  });

  test("says that there is no WebSocket, beside what one may do", () => {
    const polling: State = { ...connected, connection: { kind: "connected", polling: true } };
    expect(connectionWords(polling)).toEqual({
      word: "connected",
      text: "Connected without WebSocket: news come a little later",
    });
    const observer = { ...notebook, worksheet: { ...notebook.worksheet, role: "observe" as const } };
    expect(connectionWords({ ...polling, notebook: observer })).toEqual({
      word: "read-only",
      text: "Connected, read-only; without WebSocket: news come a little later",
    });
  });
});

test("a session of which nothing is known is said not to be reached", () => {
  expect(sessionWords(notebook)).toBe("session not reached");
});
