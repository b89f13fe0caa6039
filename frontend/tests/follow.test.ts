import { ChangeSet } from "@codemirror/state";
import { describe, expect, test } from "vitest";
import type { Client } from "../src/client";
import { changed, difference } from "../src/draft";
import { Editing } from "../src/editing";
import { Follower } from "../src/follow";
import { apply, type Notebook, openNotebook, textOf } from "../src/notebook";
import type { AccountName, CellId, Changes, Entry, MessageId, Publication, SessionUid, Snapshot, WorksheetId } from "../src/protocol";
import type { StreamOutput } from "../src/outputs";
import { RpcError } from "../src/rpc";
import { cell, entry, run, runOf, snapshot, stream } from "./feed";

const W = "w" as WorksheetId;
const A = "a" as CellId;
const ME = "ana" as AccountName;

/** A server of one worksheet, in memory: the two logs, and the rule that a stale edit is refused. */
class Server {
  readonly calls: string[] = [];
  /** A refusal brings what came since, unless that is too much. */
  carriesSince = true;
  entries: Entry[] = [];
  feed: Publication[] = [];
  cells = [cell("a", "one")];
  /** Thrown by the next call of that name. */
  faults = new Map<string, RpcError>();

  readonly client = {
    openWorksheet: async () => this.#answer("open", snapshot({ cells: this.cells, cursor: this.entries.length, session: { uid: "s" as SessionUid, cursor: this.feed.length } }) as Snapshot),
    subscribeWorksheet: async (_: WorksheetId, cursor: number) => this.#answer(`subscribe ${cursor}`, null),
    subscribeFeed: async (uid: SessionUid, cursor: number) => this.#answer(`follow ${uid} ${cursor}`, null),
    unsubscribeFeed: async (uid: SessionUid) => this.#answer(`unfollow ${uid}`, null),
    sessionInfo: async () => this.#answer("info", { uid: "s", state: "idle", reason: "" }),
    entriesSince: async (_: WorksheetId, cursor: number) => this.#answer(`entries ${cursor}`, { entries: this.entries.slice(cursor), latest: this.entries.length }),
    publicationsSince: async (_: SessionUid, cursor: number) => this.#answer(`feed ${cursor}`, { publications: this.feed.slice(cursor, cursor + 1000), latest: this.feed.length, gone: null }),
    editCell: async (_: WorksheetId, id: CellId, version: number, changes: Changes, edit: string) => {
      const old = this.cells[0]!;
      const done = this.#edits().find((entry) => entry.edit === edit);
      if (done !== undefined) return this.#answer("edit", { version: done.version, id });
      if (version !== old.version) return this.#answer("edit", Promise.reject(new RpcError("Conflict", "Stale.", { since: this.carriesSince ? this.#edits().filter((entry) => entry.version > version) : null })));
      const source = changed(old.source, ChangeSet.fromJSON(changes));
      if (source.length > 100) return this.#answer("edit", Promise.reject(new RpcError("LimitExceeded", "Too long.")));
      this.write(source, edit);
      return this.#answer("edit", { version: old.version + 1, id });
    },
  } as unknown as Client;

  /** Somebody's edit, accepted. */
  write(source: string, edit = "theirs"): void {
    const version = this.cells[0]!.version + 1;
    const changes = difference(this.cells[0]!.source, source).toJSON();
    this.cells = [cell("a", source, version)];
    this.entries.push(entry(this.entries.length + 1, "cell_edited", { cell: "a", version, changes, edit }));
  }

  #edits() {
    return this.entries.filter((entry) => entry.kind === "cell_edited");
  }

  async #answer<Result>(call: string, result: Result): Promise<Awaited<Result>> {
    this.calls.push(call);
    const fault = this.faults.get(call.split(" ")[0]!);
    this.faults.delete(call.split(" ")[0]!);
    if (fault) throw fault;
    return await result;
  }
}

function setUp() {
  const server = new Server();
  const world = { notebook: null as Notebook | null, closed: "" };
  const follower = new Follower(server.client, W, {
    me: ME,
    notebook: () => world.notebook,
    replace: (notebook) => (world.notebook = notebook),
    closed: (reason) => (world.closed = reason),
  });
  const pauses: (() => void)[] = [];
  let ids = 0;
  const editing = new Editing(
    server.client,
    { now: () => 0, random: () => 0, later: (_, then) => (pauses.push(then), () => pauses.splice(pauses.indexOf(then), 1)) },
    {
      notebook: () => world.notebook,
      apply: (event) => (world.notebook = world.notebook && apply(world.notebook, event)),
      failed: () => undefined,
      newEdit: () => `edit-${ids++}`,
    },
  );
  const text = () => textOf(world.notebook!, world.notebook!.cells[0]!);
  const type = (at: number, insert: string) => {
    world.notebook = apply(world.notebook!, { type: "typed", cell: A, change: ChangeSet.of({ from: at, insert }, text().length, "\n") });
    editing.touched(A);
  };
  return { server, world, follower, editing, pauses, text, type };
}

/** Whatever was started by a notification has ended. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a follower", () => {
  test("opens, subscribes at the cursors, and asks what the session is doing", async () => {
    const { server, world, follower } = setUp();
    server.feed = [stream(1, "x")];
    await follower.connected();
    expect(server.calls).toEqual(["open", "subscribe 0", "follow s 1", "info"]);
    expect(world.notebook?.session?.state).toBe("idle");
  });

  test("knows nothing of the session while the kernel is gone, and asks when it is back", async () => {
    const { server, world, follower } = setUp();
    await follower.connected();
    follower.notified({ method: "server.kernel", params: { kernel: "gone" } });
    expect(world.notebook?.session?.state).toBe("unknown");
    follower.notified({ method: "server.kernel", params: { kernel: "ready" } });
    await settled();
    expect(world.notebook?.session?.state).toBe("idle");
    follower.notified({ method: "server.kernel", params: { kernel: "ready" } });
    expect(server.calls.slice(3)).toEqual(["info", "info"]);
  });

  test("goes on from the cursors after a lost connection, without opening again", async () => {
    const { server, follower } = setUp();
    await follower.connected();
    server.write("two");
    follower.notified({ method: "worksheet.entries", params: { worksheet: W, entries: server.entries, latest: 1 } });
    await follower.connected();
    expect(server.calls.slice(4)).toEqual(["subscribe 1", "follow s 0"]);
  });

  test("asks again from the cursor when a publication is missing", async () => {
    const { server, world, follower } = setUp();
    await follower.connected();
    server.feed = runOf(1, "run-1", "x", ["1\n", "2\n", "3\n"]);
    follower.notified({ method: "feed.publications", params: { session: "s" as SessionUid, publications: server.feed.slice(4), latest: 7, gone: null } });
    await settled();
    expect(server.calls).toContain("feed 0");
    expect(world.notebook?.session?.feed).toEqual({ cursor: 7, latest: 7, gap: false });
  });

  test("follows the new session when there is one", async () => {
    const { server, follower } = setUp();
    await follower.connected();
    const opened = entry(1, "session_opened", { session: "s2" });
    follower.notified({ method: "worksheet.entries", params: { worksheet: W, entries: [opened], latest: 1 } });
    await settled();
    expect(server.calls.slice(-2)).toEqual(["unfollow s", "follow s2 0"]);
  });

  test("loads an answer from its beginning, however far back that is", async () => {
    const { server, world, follower } = setUp();
    const texts = Array.from({ length: 2500 }, (_, n) => `${n}\n`);
    server.feed = [...runOf(1, "other", "y", []), ...runOf(5, "run-1", "x", texts)];
    const last = server.feed.slice(-3);
    world.notebook = openNotebook(
      ME,
      snapshot({ runs: [run("run-1", "a")], outputs: { "run-1": last } as never, omitted: { "run-1": 2501 } as never, session: { uid: "s" as SessionUid, cursor: server.feed.length } }),
    );
    await follower.loadWhole("run-1" as MessageId);
    expect(world.notebook.answers.get("run-1" as MessageId)?.outputs).toMatchObject([{ done: texts.join(""), lines: 2500 }]);
    expect(world.notebook.omitted.size).toBe(0);
  });

  test.each(["s", "another"])("loads a stream whole of which live only the ends were kept, now in session %s", async (now) => {
    const { server, world, follower } = setUp();
    server.cells = [cell("a", "one")];
    await follower.connected();
    world.notebook = apply(world.notebook!, { type: "run_known", run: run("run-1", "a", { session: "s" as SessionUid }) });
    server.feed = runOf(1, "run-1", "one", Array.from({ length: 40 }, (_, n) => `${n} ${"x".repeat(9_999)}\n`));
    follower.notified({ method: "feed.publications", params: { session: "s" as SessionUid, publications: server.feed, latest: 44, gone: null } });
    const output = () => world.notebook!.answers.get("run-1" as MessageId)!.outputs[0] as StreamOutput;
    expect(output().cut?.head).toMatch(/^0 x/);
    world.notebook = { ...world.notebook!, session: { ...world.notebook!.session!, uid: now as SessionUid } };
    await follower.loadWhole("run-1" as MessageId);
    expect([output().cut, output().lines]).toEqual([null, 40]);
  });

  test("shows the worksheet while the kernel is gone", async () => {
    const { server, world, follower } = setUp();
    server.faults.set("info", new RpcError("KernelUnavailable", "The kernel is gone."));
    await follower.connected();
    expect(world).toMatchObject({ closed: "", notebook: { session: { state: "unknown" } } });
  });

  test("says why it ends, and waits when only the connection is lost", async () => {
    const { server, world, follower } = setUp();
    server.faults.set("open", new RpcError("Disconnected", "The connection was lost."));
    await follower.connected();
    expect(world.closed).toBe("");
    server.faults.set("open", new RpcError("NotFound", "There is no such worksheet."));
    await follower.connected();
    expect(world.closed).toBe("There is no such worksheet.");
  });
});

describe("editing", () => {
  test("sends once after a pause, with everything that was typed", async () => {
    const { server, world, follower, pauses, type } = setUp();
    await follower.connected();
    type(3, "!");
    type(4, "?");
    expect(pauses).toHaveLength(1);
    pauses[0]!();
    await settled();
    expect(server.cells[0]).toMatchObject({ version: 1, source: "one!?" });
    expect(world.notebook?.drafts.size).toBe(0);
  });

  test("merges and sends again when somebody was quicker", async () => {
    const { server, follower, editing, text, type } = setUp();
    await follower.connected();
    type(3, " three");
    server.write("zero one");
    await editing.flush(A);
    expect(server.cells[0]?.source).toBe("zero one three");
    expect(text()).toBe("zero one three");
  });

  test("does not double what was accepted while the connection broke", async () => {
    const { server, follower, editing, text, type } = setUp();
    await follower.connected();
    type(3, "!");
    server.faults.set("edit", new RpcError("Disconnected", "The connection was lost."));
    await expect(editing.flush(A)).rejects.toMatchObject({ name: "Disconnected" });
    expect(server.cells[0]?.source).toBe("one!");
    server.write("zero one!");
    type(4, "?");
    await editing.flush(A);
    expect(server.cells[0]?.source).toBe("zero one!?");
    expect(text()).toBe("zero one!?");
  });

  test("keeps the text and says so when the server refuses it", async () => {
    const { server, world, follower, editing, text, type } = setUp();
    await follower.connected();
    type(3, "!".repeat(100));
    await expect(editing.flush(A)).rejects.toMatchObject({ name: "LimitExceeded" });
    expect(text()).toBe("one" + "!".repeat(100));
    expect(server.cells[0]?.source).toBe("one");
    expect(world.notebook?.drafts.get(A)?.sent).toBeNull();
  });
});
