import { ChangeSet } from "@codemirror/state";
import { describe, expect, test } from "vitest";
import { apply, caretsAt, cellState, editedSinceRun, outdatedSinceRun, endedSinceRun, isBlank, type Notebook, openNotebook, queueOf, textOf, toldPlace } from "../src/notebook";
import { overviewOf, workState } from "../src/overview";
import type { AccountName, Caret, CellId, Entry, MessageId, Publication, RunId, SessionUid, Snapshot } from "../src/protocol";
import { cell, display, entry, publication, run, runOf, snapshot, stream } from "./feed";

const ME = "ana" as AccountName;
const S = "s" as SessionUid;
const A = "a" as CellId;
const B = "b" as CellId;

function heard(notebook: Notebook, publications: readonly Publication[], latest = 0): Notebook {
  return apply(notebook, { type: "publications", session: S, publications, latest, gone: null });
}

function logged(notebook: Notebook, ...entries: Entry[]): Notebook {
  return apply(notebook, { type: "entries", entries, latest: 0 });
}

function text(notebook: Notebook, msgId: string): string {
  const outputs = notebook.answers.get(msgId as MessageId)?.outputs ?? [];
  return outputs.map((output) => (output.kind === "stream" ? output.done + output.line : `[${output.kind}]`)).join("");
}

const ids = (notebook: Notebook) => notebook.cells.map(({ id }) => id);

describe("the worksheet's log", () => {
  test("adds, moves and deletes cells", () => {
    let notebook = openNotebook(ME, snapshot());
    notebook = logged(notebook, entry(11, "cell_created", { cell: cell("c"), after: "a" }));
    expect(ids(notebook)).toEqual(["a", "c", "b"]);
    notebook = logged(notebook, entry(12, "cell_moved", { cell: "b", after: null }));
    expect(ids(notebook)).toEqual(["b", "a", "c"]);
    notebook = logged(notebook, entry(13, "cell_deleted", { cell: "a" }));
    expect(ids(notebook)).toEqual(["b", "c"]);
  });

  test("ignores what it has read already", () => {
    const once = logged(openNotebook(ME, snapshot()), entry(11, "cell_created", { cell: cell("c"), after: null }));
    expect(ids(logged(once, entry(10, "cell_deleted", { cell: "a" }), entry(11, "cell_deleted", { cell: "b" })))).toEqual(["c", "a", "b"]);
  });

  test("stops at a missing number and says so, until it comes", () => {
    const late = logged(openNotebook(ME, snapshot()), entry(12, "worksheet_renamed", { title: "New" }));
    expect(late.log).toEqual({ cursor: 10, latest: 10, gap: true });
    expect(late.worksheet.title).toBe("W");
    const whole = logged(late, entry(11, "cell_deleted", { cell: "a" }), entry(12, "worksheet_renamed", { title: "New" }));
    expect(whole.log).toMatchObject({ cursor: 12, gap: false });
    expect(whole.worksheet.title).toBe("New");
  });

  test("brings back a cell with its run and what came of it", () => {
    const before = heard(openNotebook(ME, snapshot({ runs: [run("run-1", "a", { state: "ok" })] })), runOf(1, "run-1", "1", ["kept"]));
    const gone = logged(before, entry(11, "cell_deleted", { cell: "a" }));
    expect(gone.answers.has("run-1" as MessageId)).toBe(false);
    const back = logged(gone, entry(12, "cell_created", { cell: cell("a", "1", 1), after: null }));
    const told = { publications: runOf(1, "run-1", "1", ["kept"]), first: 1, omitted: 0 };
    const whole = apply(back, { type: "run_remembered", run: run("run-1", "a", { state: "ok" }), outputs: told });
    expect(text(whole, "run-1")).toBe("kept");
    expect(cellState(whole, A).kind).toBe("done");
    expect(apply(gone, { type: "run_remembered", run: run("run-1", "a"), outputs: told })).toBe(gone);
  });

  test("changes the caller's own role", () => {
    const member = { account: "ana", display_name: "Ana", role: "observe" };
    expect(logged(openNotebook(ME, snapshot()), entry(11, "member_set", { member })).worksheet.role).toBe("observe");
  });

  test("learns who owns it now", () => {
    const owner = { account: "ben", display_name: "Ben", role: "own" };
    const given = logged(openNotebook(ME, snapshot()), entry(11, "owner_changed", { owner }));
    expect(given.worksheet.owner).toBe("ben");
    expect(given.members.find(({ account }) => account === "ben")?.role).toBe("own");
  });

  test("begins a new session at its first publication", () => {
    const notebook = logged(openNotebook(ME, snapshot({ session: { uid: S, cursor: 99 } })), entry(11, "session_opened", { session: "s2" }));
    expect(notebook.session).toMatchObject({ uid: "s2", feed: { cursor: 0 } });
  });
});

describe("the session's feed", () => {
  const started = logged(openNotebook(ME, snapshot()), entry(11, "run_created", { run: run("run-1", "a") }));

  test("fills the cell whose run it answers", () => {
    const notebook = heard(started, runOf(1, "run-1", "x", ["1\n", "2\n"]));
    expect(text(notebook, "run-1")).toBe("1\n2\n");
    expect(cellState(notebook, A)).toMatchObject({ kind: "done", by: "ana", seconds: 4 });
  });

  test("shows each publication once, whatever comes twice", () => {
    const all = runOf(1, "run-1", "x", ["1\n", "2\n", "3\n"]);
    let notebook = started;
    for (let end = 1; end <= all.length; end++) notebook = heard(notebook, all.slice(Math.max(0, end - 3), end));
    expect(text(notebook, "run-1")).toBe("1\n2\n3\n");
  });

  test("stops at a missing number", () => {
    const notebook = heard(started, [stream(1, "1\n"), stream(3, "3\n")], 3);
    expect(text(notebook, "run-1")).toBe("1\n");
    expect(notebook.session?.feed).toEqual({ cursor: 1, latest: 3, gap: true });
  });

  test("goes on after what nobody holds any more, and says what is gone", () => {
    const notebook = apply(started, { type: "publications", session: S, publications: [stream(6, "6\n")], latest: 6, gone: [1, 5] });
    expect(text(notebook, "run-1")).toBe("6\n");
    expect(notebook.session).toMatchObject({ gone: [1, 5], feed: { cursor: 6, gap: false } });
  });

  test("may be quicker than the log", () => {
    const early = heard(openNotebook(ME, snapshot()), runOf(1, "run-1", "x", ["1\n"]));
    expect(overviewOf(early).beside).toEqual(["run-1"]);
    const notebook = logged(early, entry(11, "run_created", { run: run("run-1", "a") }));
    expect(text(notebook, "run-1")).toBe("1\n");
    expect(overviewOf(notebook).beside).toEqual([]);
  });

  test("shows code of no cell beside the cells, with who and what", () => {
    const notebook = heard(openNotebook(ME, snapshot()), runOf(1, "terminal-1", "6 * 7", ["42\n"]));
    expect(overviewOf(notebook).beside).toEqual(["terminal-1"]);
    expect(notebook.answers.get("terminal-1" as MessageId)).toMatchObject({ code: "6 * 7", username: "ana", outcome: "ok" });
  });

  test("shows nothing more of a run whose cell was run again", () => {
    let notebook = heard(started, [stream(1, "old\n")]);
    notebook = logged(notebook, entry(12, "run_created", { run: run("run-2", "a", { created: "2026-11-21T10:00:05Z" }) }));
    notebook = heard(notebook, [stream(2, "late\n"), stream(3, "new\n", "stdout", "run-2")]);
    expect(notebook.answers.has("run-1" as MessageId)).toBe(false);
    expect(text(notebook, "run-2")).toBe("new\n");
  });

  test("updates a display in another cell", () => {
    let notebook = heard(started, [display(1, "old", "d")]);
    notebook = logged(notebook, entry(12, "run_created", { run: run("run-2", "b") }));
    const update = publication(2, "update_display_data", { data: { "text/plain": "new" }, metadata: {}, transient: { display_id: "d" } }, "run-2");
    notebook = heard(notebook, [update]);
    expect(notebook.answers.get("run-1" as MessageId)?.outputs).toMatchObject([{ data: { "text/plain": "new" } }]);
  });

  test("of another session is not taken", () => {
    const notebook = apply(started, { type: "publications", session: "other" as SessionUid, publications: [stream(1, "x")], latest: 1, gone: null });
    expect(notebook).toBe(started);
  });
});

describe("a reload", () => {
  test("at any point shows the same as having been there all along", () => {
    const runs = [run("run-1", "a"), run("run-2", "b", { created: "2026-11-21T10:00:01Z" })];
    const feed = [
      ...runOf(1, "run-1", "x", ["10%\r", "20%\r", "done\n"]).slice(0, 5),
      display(6, "old", "d"),
      stream(7, "b\n", "stdout", "run-2"),
      publication(8, "update_display_data", { data: { "text/plain": "new" }, metadata: {}, transient: { display_id: "d" } }, "run-2"),
      publication(9, "clear_output", { wait: true }, "run-2"),
      stream(10, "c\n", "stdout", "run-2"),
      publication(11, "status", { execution_state: "idle" }, "run-2"),
    ];
    const live = heard(openNotebook(ME, snapshot({ runs })), feed);
    for (let cut = 0; cut <= feed.length; cut++) {
      const stored = Object.fromEntries(runs.map(({ id, msg_id }) => [id, feed.slice(0, cut).filter(({ parent }) => parent === msg_id)]));
      const opened = openNotebook(ME, snapshot({ runs, outputs: stored, session: { uid: S, cursor: cut } }));
      const reloaded = heard(opened, feed.slice(cut));
      expect([...reloaded.answers], `cut at ${cut}`).toEqual([...live.answers]);
    }
  });

  test("of a long answer shows its end, and all of it once it is loaded", () => {
    const feed = runOf(1, "run-1", "x", ["1\n", "2\n", "3\n"]);
    const runs = [run("run-1", "a")];
    const outputs = { ["run-1" as RunId]: feed.slice(4) };
    const opened = openNotebook(ME, snapshot({ runs, outputs, omitted: { ["run-1" as RunId]: 4 }, session: { uid: S, cursor: 7 } }));
    expect(text(opened, "run-1")).toBe("3\n");
    expect(opened.omitted.get("run-1" as MessageId)).toEqual({ count: 4, first: 5 });
    const whole = apply(opened, { type: "whole", msgId: "run-1" as MessageId, publications: feed, upTo: 7 });
    expect(text(whole, "run-1")).toBe("1\n2\n3\n");
    expect(whole.omitted.size).toBe(0);
    const runEnded = entry(11, "run_ended", { run: "run-1", state: "ok", reason: "", execution_count: 1, ended: "" });
    const gone = logged(opened, runEnded, entry(12, "outputs_cleared", { cells: ["a", "none"], bytes: 6 }));
    expect([text(gone, "run-1"), gone.omitted.size]).toEqual(["", 0]);
    const early = apply(opened, { type: "whole", msgId: "run-1" as MessageId, publications: feed.slice(0, 6), upTo: 6 });
    expect(early).toBe(opened);
  });

  test("keeps no prompt open whose run is over", () => {
    const runs = [run("run-1", "a", { state: "died", reason: "killed by signal 9" })];
    const outputs = { ["run-1" as RunId]: [publication(1, "input_request", { prompt: "? ", password: false })] };
    const notebook = openNotebook(ME, snapshot({ runs, outputs }));
    expect(notebook.answers.get("run-1" as MessageId)?.outputs).toMatchObject([{ open: false }]);
    expect(cellState(notebook, A)).toEqual({ kind: "died", by: "ana", reason: "killed by signal 9" });
  });
});

describe("the session's state", () => {
  test("is asked for after opening, and the feed overrules the answer", () => {
    const runs = [run("run-1", "a", { state: "died" })];
    const outputs = { ["run-1" as RunId]: [publication(1, "status", { execution_state: "busy" })] };
    const opened = openNotebook(ME, snapshot({ runs, outputs, session: { uid: S, cursor: 1 } }));
    expect(opened.session?.state).toBe("unknown");
    const session = { uid: S, state: "dead", reason: "killed by signal 9" } as never;
    const told = apply(opened, { type: "session_known", session });
    expect(told.session).toMatchObject({ state: "dead", reason: "killed by signal 9" });
    const live = heard(opened, [publication(2, "status", { execution_state: "idle" }, "")]);
    expect(apply(live, { type: "session_known", session }).session?.state).toBe("idle");
  });

  test("is not known while the kernel is gone, unless it was over", () => {
    const opened = openNotebook(ME, snapshot({ session: { uid: S, cursor: 0 } }));
    const live = heard(opened, [publication(1, "status", { execution_state: "busy" }, "")]);
    expect(apply(live, { type: "kernel_gone" }).session).toMatchObject({ state: "unknown", reason: "" });
    const over = heard(opened, [publication(1, "status", { execution_state: "closed" }, "")]);
    expect(apply(over, { type: "kernel_gone" }).session?.state).toBe("closed");
  });
});

describe("the state of a cell", () => {
  test("goes from never over queued and running to done", () => {
    let notebook = openNotebook(ME, snapshot());
    expect(cellState(notebook, A).kind).toBe("never");
    notebook = logged(notebook, entry(11, "run_created", { run: run("run-1", "a") }));
    expect(cellState(notebook, A)).toEqual({ kind: "queued", by: "ana", ahead: 0 });
    notebook = heard(notebook, [publication(1, "status", { execution_state: "busy" })]);
    expect(cellState(notebook, A)).toMatchObject({ kind: "running", asks: false });
    notebook = heard(notebook, [publication(2, "input_request", { prompt: "? ", password: false })]);
    expect(cellState(notebook, A)).toMatchObject({ kind: "running", asks: true });
    expect(workState(notebook)).toBe("running");
    notebook = logged(notebook, entry(12, "run_ended", { run: "run-1", state: "lost", reason: "the kernel is gone", execution_count: 0, ended: "2026-11-21T10:01:00Z" }));
    expect(cellState(notebook, A)).toEqual({ kind: "lost", by: "ana", reason: "the kernel is gone" });
    expect(workState(notebook)).toBe("failed");
  });

  test("says how many are before it", () => {
    let notebook = logged(openNotebook(ME, snapshot()), entry(11, "run_created", { run: run("run-1", "a") }));
    notebook = logged(notebook, entry(12, "run_created", { run: run("run-2", "b", { created: "2026-11-21T10:00:01Z" }) }));
    expect(cellState(notebook, B)).toEqual({ kind: "queued", by: "ana", ahead: 1 });
  });
});

describe("the queue", () => {
  const asked = () => {
    const runs = ["a", "b"].map((id, at) => run(`run-${at + 1}`, id, { created: `2026-11-21T10:00:0${at}Z` }));
    const notebook = runs.reduce((next, made, at) => logged(next, entry(11 + at, "run_created", { run: made })), openNotebook(ME, snapshot()));
    return heard(notebook, [
      publication(1, "status", { execution_state: "busy" }, "other"),
      publication(2, "queued", { place: 0 }, "run-1"),
      publication(3, "queued", { place: 1 }, "run-2"),
    ]);
  };

  test("has what runs and what waits, who asked and since when", () => {
    expect(queueOf(asked()).map(({ msgId, running, cell }) => [msgId, running, cell])).toEqual([
      ["other", true, null],
      ["run-1", false, "a"],
      ["run-2", false, "b"],
    ]);
    expect(queueOf(asked())[1]).toMatchObject({ by: "ana", since: "2026-11-21T10:00:00Z" });
  });

  test("follows a move at once, in the captions too", () => {
    const moved = heard(asked(), [publication(4, "queued", { place: 0 }, "run-2")]);
    expect(moved.session?.queue).toEqual(["run-2", "run-1"]);
    expect(cellState(moved, A)).toMatchObject({ kind: "queued", ahead: 2 });
    expect(cellState(moved, B)).toMatchObject({ kind: "queued", ahead: 1 });
  });

  test("is left by what begins and by what is cancelled, and is nothing when nothing waits", () => {
    const left = heard(asked(), [
      publication(4, "status", { execution_state: "busy" }, "run-1"),
      publication(5, "execute_reply", { status: "error", execution_count: 0, ename: "RequestCancelled" }, "run-2"),
    ]);
    expect(left.session?.queue).toEqual([]);
    expect(queueOf(left)).toEqual([]);
  });

  test("is there after a reload", () => {
    const runs = [run("run-1", "a")];
    const outputs = { "run-1": [publication(7, "queued", { place: 0 }, "run-1")] };
    const notebook = openNotebook(ME, snapshot({ runs, outputs, session: { uid: S, cursor: 7 } } as Partial<Snapshot>));
    expect(notebook.session?.queue).toEqual(["run-1"]);
  });
});

describe("a blank worksheet", () => {
  const blank = { cells: [cell("a")], runs: [], outputs: {} };

  test("has one empty cell to write in", () => {
    expect(isBlank(openNotebook(ME, snapshot(blank)))).toBe(true);
  });

  test("is none with a second cell, some text or a run", () => {
    const notebook = openNotebook(ME, snapshot(blank));
    expect(isBlank(logged(notebook, entry(11, "cell_created", { cell: cell("c"), after: "a" })))).toBe(false);
    expect(isBlank(logged(notebook, entry(11, "cell_edited", { cell: "a", version: 1, changes: [[0, "1"]], edit: "" })))).toBe(false);
    expect(isBlank(logged(notebook, entry(11, "run_created", { run: run("run-1", "a") })))).toBe(false);
  });
});

describe("typing", () => {
  const typed = (notebook: Notebook, at: number, insert: string) => {
    const before = textOf(notebook, notebook.cells[0]!);
    return apply(notebook, { type: "typed", cell: A, change: ChangeSet.of({ from: at, insert }, before.length, "\n") });
  };

  test("is kept beside the source until the server has it", () => {
    let notebook = typed(openNotebook(ME, snapshot()), 0, "x");
    expect(notebook.cells[0]).toMatchObject({ source: "", version: 0 });
    expect(textOf(notebook, notebook.cells[0]!)).toBe("x");
    notebook = apply(notebook, { type: "edit_sent", cell: A, edit: "mine" });
    notebook = logged(notebook, entry(11, "cell_edited", { cell: "a", version: 1, changes: [[0, "x"]], edit: "mine" }));
    expect(notebook.drafts.size).toBe(0);
    expect(notebook.cells[0]).toMatchObject({ source: "x", version: 1 });
  });

  test("is merged with what the log brings", () => {
    let notebook = openNotebook(ME, snapshot({ cells: [cell("a", "one two")] }));
    notebook = typed(notebook, 7, " three");
    notebook = logged(notebook, entry(11, "cell_edited", { cell: "a", version: 1, changes: [[0, "zero "], 7], edit: "theirs" }));
    expect(textOf(notebook, notebook.cells[0]!)).toBe("zero one two three");
  });

  test("is not doubled when its acknowledgement was lost", () => {
    let notebook = apply(typed(openNotebook(ME, snapshot()), 0, "x"), { type: "edit_sent", cell: A, edit: "mine" });
    notebook = typed(notebook, 1, "y");
    // The connection broke here; after it the log shows the accepted edit, then somebody else's.
    notebook = logged(
      notebook,
      entry(11, "cell_edited", { cell: "a", version: 1, changes: [[0, "x"]], edit: "mine" }),
      entry(12, "cell_edited", { cell: "a", version: 2, changes: [[0, "w"], 1], edit: "theirs" }),
    );
    expect(textOf(notebook, notebook.cells[0]!)).toBe("wxy");
  });
});

describe("carets", () => {
  const caret = (fields: Partial<Caret>): Caret => ({ window: 2, account: "ben" as AccountName, cell: A, version: 1, anchor: 2, head: 2, ...fields });
  const opened = () => openNotebook(ME, snapshot({ cells: [cell("a", "abcd", 1), cell("b")] }));
  const places = (notebook: Notebook) => caretsAt(notebook, notebook.cells[0]!).map(({ anchor, head }) => [anchor, head]);
  const edited = (notebook: Notebook, version: number, changes: (number | [number, ...string[]])[]) =>
    logged(notebook, entry(10 + version - 1, "cell_edited", { cell: "a", version, changes, edit: "" }));

  test("move with the edits that come after them, and wait for those they were told for", () => {
    let notebook = apply(opened(), { type: "carets", carets: [caret({}), caret({ window: 3, version: 2, anchor: 1, head: 5 })] });
    expect(places(notebook)).toEqual([[2, 2], [1, 4]]);
    notebook = edited(notebook, 2, [[0, "xy"], 4]);
    expect(places(notebook)).toEqual([[4, 4], [1, 5]]);
  });

  test("stand in the text with what this person has typed, and are told without it", () => {
    let notebook = apply(opened(), { type: "carets", carets: [caret({})] });
    notebook = apply(notebook, { type: "typed", cell: A, change: ChangeSet.of({ from: 0, insert: "123" }, 4) });
    expect(places(notebook)).toEqual([[5, 5]]);
    expect(toldPlace(notebook, A, 5, 1)).toEqual({ cell: "a", version: 1, anchor: 2, head: 0 });
  });

  test("of this window are not shown, those of one's other windows are", () => {
    const mine = [caret({ account: ME, window: 7 }), caret({ account: ME, window: 8, head: 3 })];
    const notebook = apply(opened(), { type: "carets", carets: mine });
    expect(places(notebook)).toEqual([]);
    expect(places(apply(notebook, { type: "window_known", window: 7 }))).toEqual([[2, 3]]);
  });
});

test("an edit that stands for others, of which some were read, brings the whole text", () => {
  const before = logged(openNotebook(ME, snapshot()), entry(11, "cell_edited", { cell: "a", version: 1, changes: [[0, "x"]], edit: "" }));
  const typing = apply(before, { type: "typed", cell: A, change: ChangeSet.of({ from: 0, insert: "> " }, 1) });
  const after = logged(typing, entry(12, "merged", {}), entry(13, "cell_edited", { cell: "a", version: 3, changes: [[0, "xyz"]], edit: "", source: "xyz" }));
  expect(after.cells[0]).toMatchObject({ source: "xyz", version: 3 });
  expect(textOf(after, after.cells[0]!)).toBe("> xyz");
  expect(after.log).toMatchObject({ cursor: 13, gap: false });
});

describe("what became of the newest run", () => {
  const ran = run("r1", "a");
  const opened = openNotebook(ME, snapshot({ cells: [{ ...cell("a", "1"), edited: true }, { ...cell("b"), ended: true }], runs: [ran], outputs: {} }));
  const a = opened.cells[0]!;

  test("the server says which cells were edited, and a new run is of the text as it is", () => {
    expect([editedSinceRun(opened, a), endedSinceRun(opened, opened.cells[1]!)]).toEqual([true, true]);
    const again = logged(opened, entry(11, "run_created", { run: { ...run("r2", "a"), created: "2099-01-01T00:00:00Z" } }));
    expect(editedSinceRun(again, a)).toBe(false);
    const typed = logged(again, entry(12, "cell_edited", { cell: "a", version: 1, changes: [1, [0, "2"]], edit: "", edited: true }));
    expect(editedSinceRun(typed, a)).toBe(true);
    const back = logged(typed, entry(13, "cell_edited", { cell: "a", version: 2, changes: [1, [1]], edit: "", edited: false }));
    expect(editedSinceRun(back, a)).toBe(false);
  });

  test("the server says which cells read what has changed, until another session is opened", () => {
    const b = opened.cells[1]!;
    const marked = logged(opened, entry(11, "cells_marked", { outdated: ["a", "b"], current: [] }), entry(12, "cells_marked", { outdated: [], current: ["a"] }));
    expect([outdatedSinceRun(marked, a), outdatedSinceRun(marked, b)]).toEqual([false, true]);
    expect(outdatedSinceRun(logged(marked, entry(13, "session_opened", { session: "other" })), b)).toBe(false);
    expect(outdatedSinceRun(logged(marked, entry(13, "cell_deleted", { cell: "b" })), b)).toBe(false);
  });

  test("a session that ends takes with it what was run in it", () => {
    expect(endedSinceRun(opened, a)).toBe(false);
    expect(endedSinceRun(logged(opened, entry(11, "session_opened", { session: "other" })), a)).toBe(true);
    const restarted = heard(opened, [publication(opened.session!.feed.cursor + 1, "status", { execution_state: "restarting" }, "")]);
    expect(endedSinceRun(restarted, a)).toBe(true);
  });
});
