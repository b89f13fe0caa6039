import { ChangeSet } from "@codemirror/state";
import { describe, expect, test } from "vitest";
import { changed, comparedLines, difference, type Draft, isClean, receive, send, startDraft, typeInto, unsend } from "../src/draft";

function insert(draft: Draft, at: number, text: string): Draft {
  return typeInto(draft, ChangeSet.of({ from: at, insert: text }, draft.text.length, "\n"));
}

/** Somebody else's edit, which makes `text` of what is agreed. */
function hear(draft: Draft, version: number, text: string): Draft {
  return receive(draft, version, difference(draft.agreed, text), "theirs");
}

/** Our own edit, come back. */
function confirm(draft: Draft): Draft {
  return receive(draft, draft.version + 1, draft.sent!.change, draft.sent!.edit);
}

describe("a draft", () => {
  test("is clean again when its own edit comes back", () => {
    const draft = confirm(send(insert(startDraft(3, "x"), 1, " = 1"), "mine"));
    expect(isClean(draft)).toBe(true);
    expect(draft).toMatchObject({ version: 4, agreed: "x = 1", text: "x = 1" });
  });

  test("keeps what was typed while an edit was on its way", () => {
    const sending = insert(send(insert(startDraft(0, ""), 0, "ab"), "mine"), 2, "c");
    expect(sending.sent?.change.toJSON()).toEqual([[0, "ab"]]);
    const acknowledged = confirm(sending);
    expect(acknowledged).toMatchObject({ agreed: "ab", text: "abc", sent: null });
    expect(isClean(acknowledged)).toBe(false);
  });

  test("merges somebody else's edit into an unsent one", () => {
    const draft = insert(startDraft(0, "import os\n"), 10, "x = 1\n");
    expect(hear(draft, 1, "# first\nimport os\n").text).toBe("# first\nimport os\nx = 1\n");
  });

  test("keeps a line that is being written between two lines that somebody else changes", () => {
    const draft = insert(startDraft(0, "a = 1\nb = 2\nc = 3\n"), 11, "0");
    expect(hear(draft, 1, "a = 7\nb = 2\nc = 9\n").text).toBe("a = 7\nb = 20\nc = 9\n");
  });

  test("keeps edits at both ends apart when somebody else writes in the middle", () => {
    const draft = insert(insert(startDraft(0, "a M b"), 0, "x"), 6, "y");
    expect(hear(draft, 1, "a MN b").text).toBe("xa MN by");
  });

  test("ignores a version that it knows", () => {
    const draft = insert(startDraft(5, "new"), 3, "er");
    expect(receive(draft, 5, ChangeSet.empty(0), "theirs")).toBe(draft);
  });

  test("takes back an edit that could not be delivered", () => {
    const draft = insert(send(insert(startDraft(0, ""), 0, "a"), "mine"), 1, "b");
    expect(unsend(draft)).toMatchObject({ sent: null, text: "ab", agreed: "" });
    expect(changed("", unsend(draft).pending)).toBe("ab");
  });

  test("stands after what somebody else wrote at the same place, be it sent or not", () => {
    const draft = insert(send(insert(startDraft(0, "[]"), 1, "b"), "mine"), 2, "c");
    const refused = hear(draft, 1, "[a]");
    expect(refused).toMatchObject({ version: 1, agreed: "[a]", sent: null, text: "[abc]" });
    expect(refused.pending.toJSON()).toEqual([2, [0, "bc"], 1]);
  });

  test("knows its own edit by the id, not by what it says", () => {
    const draft = send(insert(startDraft(0, ""), 0, "x"), "mine");
    expect(hear(draft, 1, "x").text).toBe("xx");
  });

  test("does not count a carriage return as a line end", () => {
    expect(insert(startDraft(0, "a\r\nb"), 4, "c").text).toBe("a\r\nbc");
  });
});

describe("the difference of two texts", () => {
  test.each([
    ["", ""],
    ["same", "same"],
    ["", "new"],
    ["old", ""],
    ["aaa", "aa"],
    ["a\nb\nc", "a\nc"],
    ["x😀y", "x😁y"],
    ["a\r\nb", "a\nb"],
  ])("of %j and %j turns one into the other", (before, after) => {
    expect(changed(before, difference(before, after))).toBe(after);
  });

  test("leaves the lines between two changes alone", () => {
    const ranges: number[][] = [];
    difference("a\nkept\nb\n", "A\nkept\nB\n").iterChangedRanges((from, to) => ranges.push([from, to]));
    expect(ranges).toEqual([
      [0, 1],
      [7, 8],
    ]);
  });

  test("is exact for random texts of few different lines", () => {
    const random = generator(11);
    const text = () => Array.from({ length: random(8) }, () => "ab\n".slice(random(3))).join("") + (random(2) ? "end" : "");
    for (let n = 0; n < 500; n++) {
      const [before, after] = [text(), text()];
      expect(changed(before, difference(before, after)), JSON.stringify([before, after])).toBe(after);
    }
  });

  test("never cuts a surrogate pair", () => {
    difference("x😀y", "x😁y").iterChanges((from, to) => expect([from, to]).toEqual([1, 3]));
  });
});

/** A small generator, so that every run tests the same histories. Source: the Lehmer generator. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

interface Edit {
  readonly version: number;
  readonly change: ChangeSet;
  readonly edit: string;
}

/** The server's rule: an edit is applied once; one that names the current version is accepted, every other is refused. */
class Server {
  readonly log: Edit[] = [];
  constructor(public source: string) {}

  edit({ version, change, edit }: Edit): boolean {
    if (this.log.some((done) => done.edit === edit)) return true;
    if (version !== this.log.length) return false;
    this.source = changed(this.source, change);
    this.log.push({ version: version + 1, change, edit });
    return true;
  }
}

describe("random histories of three people and one server", () => {
  test.each(Array.from({ length: 60 }, (_, seed) => seed + 1))("agree in the end and lose no keystroke (%i)", (seed) => {
    const random = generator(seed * 7919);
    const server = new Server("The versicle.\nThe response.\n");
    let drafts = [0, 1, 2].map(() => startDraft(0, server.source));
    const { log } = server;
    let ids = 0;
    const typed: string[] = [];
    const read = [0, 0, 0];
    const inFlight: (null | Edit)[] = [null, null, null];
    const set = (who: number, draft: Draft) => (drafts = drafts.map((old, n) => (n === who ? draft : old)));
    const catchUp = (who: number, all: boolean) => {
      while (read[who]! < log.length && (all || random(2) === 0)) {
        const { version, change, edit } = log[read[who]!++]!;
        set(who, receive(drafts[who]!, version, change, edit));
      }
    };
    const deliver = (who: number) => {
      const edit = inFlight[who];
      if (!edit) return;
      // An answer that is lost: the same edit goes out again later, or the log tells.
      if (random(3) > 0) inFlight[who] = null;
      if (server.edit(edit)) {
        if (random(2) === 0) catchUp(who, true);
      } else {
        inFlight[who] = null;
        catchUp(who, true);
        set(who, unsend(drafts[who]!));
      }
    };
    const trySend = (who: number) => {
      if (inFlight[who] || isClean(drafts[who]!)) return;
      if (drafts[who]!.sent === null) set(who, send(drafts[who]!, `edit-${ids++}`));
      inFlight[who] = { version: drafts[who]!.version, ...drafts[who]!.sent! };
    };

    for (let step = 0; step < 120; step++) {
      const who = random(3);
      const draft = drafts[who]!;
      switch (random(5)) {
        case 0:
        case 1: {
          // Each keystroke is a character of its own, so that it can be counted at the end.
          const key = String.fromCharCode(0x4e00 + typed.length);
          typed.push(key);
          set(who, insert(draft, random(draft.text.length + 1), key));
          break;
        }
        case 2:
          trySend(who);
          break;
        case 3:
          deliver(who);
          break;
        case 4:
          catchUp(who, false);
      }
    }
    for (let round = 0; round < 400 && (log.length === 0 || drafts.some((draft) => !isClean(draft))); round++)
      for (const who of [0, 1, 2]) {
        catchUp(who, true);
        trySend(who);
        deliver(who);
      }
    for (const who of [0, 1, 2]) catchUp(who, true);

    expect(drafts.map(({ text }) => text)).toEqual([server.source, server.source, server.source]);
    for (const key of typed) expect(server.source.split(key).length - 1, `${key} in ${server.source}`).toBe(1);
  });
});

test.each([
  ["", "", []],
  ["a", "a\n", ["=a"]],
  ["a\nb\nc", "a\nB\nc\nd", ["=a", "-b", "+B", "=c", "+d"]],
  ["", "a\n\nb", ["+a", "+", "+b"]],
  ["a\nb", "", ["-a", "-b"]],
])("texts are compared line by line: %j, %j", (before, after, expected) => {
  const signs = { same: "=", gone: "-", new: "+" };
  expect(comparedLines(before, after).map(({ kind, text }) => signs[kind] + text)).toEqual(expected);
});
