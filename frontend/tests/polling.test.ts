import { describe, expect, test } from "vitest";
import { FallbackTransport } from "../src/fallback";
import { PollingTransport } from "../src/polling";
import type { Call } from "../src/protocol";
import type { Connection, Listener, Transport } from "../src/transport";
import { HandClock } from "./clock";

const SOMEBODY = { kernel: "ready", signed_in: { name: "ana" } };

interface Request {
  readonly call: Call;
  readonly signal: AbortSignal;
  brings(value: { readonly result?: unknown; readonly error?: unknown }): Promise<void>;
  fails(): Promise<void>;
}

/** What follows from an answer: promises that are settled already. */
const settled = () => new Promise<void>((then) => setTimeout(then));

/** Requests by hand: each waits until the test answers it, or it is aborted. */
class HandHttp {
  readonly requests: Request[] = [];

  readonly post = (text: string, signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      const call = JSON.parse(text) as Call;
      const forget = () => void this.requests.splice(this.requests.indexOf(request), 1);
      const request: Request = {
        call,
        signal,
        brings: (value) => (forget(), resolve(JSON.stringify({ jsonrpc: "2.0", id: call.id, ...value })), settled()),
        fails: () => (forget(), reject(new TypeError("Failed to fetch")), settled()),
      };
      signal.addEventListener("abort", () => (forget(), reject(new DOMException("aborted", "AbortError"))));
      this.requests.push(request);
    });

  get methods(): string[] {
    return this.requests.map(({ call }) => call.method);
  }

  of(method: string): Request {
    const found = this.requests.find(({ call }) => call.method === method);
    if (found === undefined) throw new Error(`${method} is not under way, but ${this.methods.join(", ")}`);
    return found;
  }
}

class Heard implements Listener {
  readonly states: Connection[] = [];
  readonly frames: { readonly id?: string; readonly method?: string; readonly params?: never; readonly result?: unknown; readonly error?: unknown }[] = [];

  received = (text: string) => void this.frames.push(JSON.parse(text));
  connection = (state: Connection) => void this.states.push(state);

  get kinds(): string[] {
    return this.states.map((state) => (state.kind === "connected" && state.polling ? "polling" : state.kind));
  }
  told(method: string): readonly Readonly<Record<string, unknown>>[] {
    return this.frames.filter((frame) => frame.method === method).map(({ params }) => params!);
  }
}

let last = 0;
const call = (method: string, params: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({ jsonrpc: "2.0", id: `call-${++last}`, method, params });
const entries = (...numbers: number[]) => numbers.map((number) => ({ number }));

async function polling() {
  const [clock, http, heard] = [new HandClock(), new HandHttp(), new Heard()];
  const transport = new PollingTransport(http.post, clock);
  transport.open(heard);
  await http.of("server.info").brings({ result: SOMEBODY });
  return { clock, http, heard, transport };
}

describe("polling", () => {
  test("is connected when the server answers somebody who is signed in, and tells of the kernel", async () => {
    const { clock, http, heard } = await polling();
    expect(heard.kinds).toEqual(["connecting", "polling"]);
    expect(heard.told("server.kernel")).toEqual([{ kernel: "ready" }]);
    clock.forward(15_000);
    await http.of("server.info").brings({ result: { ...SOMEBODY, kernel: "gone" } });
    clock.forward(15_000);
    await http.of("server.info").brings({ result: { ...SOMEBODY, kernel: "gone" } });
    expect(heard.told("server.kernel")).toEqual([{ kernel: "ready" }, { kernel: "gone" }]);
    clock.forward(15_000);
    await http.of("server.info").brings({ result: { ...SOMEBODY, signed_in: null } });
    expect(heard.kinds.at(-1)).toBe("waiting");
  });

  test("asks on from the last number, tells each page once, and pauses when there is no more", async () => {
    const { clock, http, heard, transport } = await polling();
    transport.send(call("worksheet.subscribe", { worksheet: "w", cursor: 3 }));
    expect(http.of("worksheet.since").call.params).toMatchObject({ worksheet: "w", cursor: 3, wait: 20 });
    await http.of("worksheet.since").brings({ result: { entries: entries(4, 5), latest: 6 } });
    expect(http.of("worksheet.since").call.params).toMatchObject({ cursor: 5 });
    await http.of("worksheet.since").brings({ result: { entries: entries(6), latest: 6 } });
    expect(http.methods).toEqual([]);
    clock.forward(200);
    await settled();
    await http.of("worksheet.since").brings({ result: { entries: [], latest: 6 } });
    expect(http.methods).toEqual([]);
    clock.forward(200);
    await settled();
    expect(http.of("worksheet.since").call.params).toMatchObject({ cursor: 6 });
    expect(heard.told("worksheet.entries")).toEqual([
      { worksheet: "w", entries: entries(4, 5), latest: 6 },
      { worksheet: "w", entries: entries(6), latest: 6 },
    ]);
    expect(heard.told("worksheet.presence")).toEqual([{ worksheet: "w", people: [], more: 0 }]);
  });

  test("tells what a feed published, with the numbers that are gone", async () => {
    const { http, heard, transport } = await polling();
    transport.send(call("feed.subscribe", { session: "s", cursor: 0 }));
    const page = { publications: entries(4), latest: 4, gone: [1, 3] };
    await http.of("feed.since").brings({ result: page });
    expect(heard.told("feed.publications")).toEqual([{ session: "s", ...page }]);
  });

  test("has one poll of each log, of what was subscribed last", async () => {
    const { http, heard, transport } = await polling();
    transport.send(call("feed.subscribe", { session: "a", cursor: 0 }));
    transport.send(call("feed.subscribe", { session: "b", cursor: 0 }));
    transport.send(call("worksheet.subscribe", { worksheet: "w", cursor: 0 }));
    await settled();
    expect(http.methods).toEqual(["feed.since", "worksheet.since"]);
    transport.send(call("feed.unsubscribe", { session: "a" }));
    await settled();
    expect(http.of("feed.since").call.params).toMatchObject({ session: "b" });
    transport.send(call("feed.unsubscribe", { session: "b" }));
    transport.send(call("worksheet.unsubscribe", { worksheet: "w" }));
    await settled();
    expect(http.methods).toEqual([]);
    expect(heard.kinds.at(-1)).toBe("polling");
  });

  test("posts calls in their order, one at a time, beside one that the kernel answers", async () => {
    const { http, heard, transport } = await polling();
    for (const method of ["cell.create", "session.complete", "cell.edit", "session.interrupt"]) transport.send(call(method));
    expect(http.methods).toEqual(["cell.create", "session.complete"]);
    await http.of("cell.create").brings({ result: 1 });
    expect(http.methods).toEqual(["session.complete", "cell.edit"]);
    expect(heard.frames.at(-1)).toMatchObject({ result: 1 });
  });

  test("that is lost anywhere is lost: all requests end, and it tries again with growing waits", async () => {
    const { clock, http, heard, transport } = await polling();
    transport.send(call("worksheet.subscribe", { worksheet: "w", cursor: 0 }));
    transport.send(call("cell.edit"));
    transport.send(call("cell.run"));
    await http.of("cell.edit").fails();
    expect(http.methods).toEqual([]);
    expect(heard.states.at(-1)).toEqual({ kind: "waiting", attempt: 1, until: 375 });
    expect(transport.send(call("cell.run"))).toBe(false);
    clock.forward(375);
    await http.of("server.info").fails();
    expect(heard.states.at(-1)).toMatchObject({ kind: "waiting", attempt: 2, until: 375 + 750 });
    transport.retryNow();
    await http.of("server.info").brings({ result: SOMEBODY });
    expect(heard.kinds.at(-1)).toBe("polling");
    expect(http.methods).toEqual([]);
  });

  test("gives up a request that brings nothing", async () => {
    const { clock, heard, transport } = await polling();
    transport.send(call("cell.edit"));
    clock.forward(14_999);
    clock.forward(20_001);
    expect(heard.kinds.at(-1)).toBe("waiting");
  });

  test("ends with the right to the worksheet, and says why", async () => {
    const { http, heard, transport } = await polling();
    transport.send(call("worksheet.subscribe", { worksheet: "w", cursor: 0 }));
    await http.of("worksheet.since").brings({ error: { code: -32002, message: "No such worksheet.", data: { name: "NotFound" } } });
    expect(heard.told("worksheet.closed")).toEqual([{ worksheet: "w", reason: "No such worksheet." }]);
    expect(http.methods).toEqual([]);
    expect(heard.kinds.at(-1)).toBe("polling");
  });

  test("refuses carets itself", async () => {
    const { http, heard, transport } = await polling();
    transport.send(call("worksheet.caret", { worksheet: "w" }));
    expect(heard.frames.at(-1)).toMatchObject({ error: { data: { name: "NotOnThisTransport" } } });
    expect(http.methods).toEqual([]);
  });
});

/** A transport whose state the test says. */
class HandTransport implements Transport {
  listener: Listener | null = null;
  readonly sent: string[] = [];

  open = (listener: Listener) => void (this.listener = listener);
  send = (text: string) => this.sent.push(text) > 0;
  retryNow = () => undefined;
  close = () => {
    this.listener?.connection({ kind: "closed" });
    this.listener = null;
  };
  is(...states: Connection[]): void {
    for (const state of states) this.listener?.connection(state);
  }
}

const CONNECTING: Connection = { kind: "connecting" };
const WAITING: Connection = { kind: "waiting", attempt: 1, until: 0 };
const SOCKET: Connection = { kind: "connected", polling: false };
const POLLING: Connection = { kind: "connected", polling: true };

function fallback() {
  const [socket, poll, heard] = [new HandTransport(), new HandTransport(), new Heard()];
  const transport = new FallbackTransport(socket, poll);
  transport.open(heard);
  return { socket, poll, heard, transport };
}

describe("the fallback", () => {
  test("polls after two attempts that opened no socket, and leaves it when one opens", () => {
    const { socket, poll, heard, transport } = fallback();
    socket.is(CONNECTING, WAITING, CONNECTING);
    expect(poll.listener).toBeNull();
    socket.is(WAITING);
    poll.is(CONNECTING, POLLING);
    socket.is(CONNECTING, WAITING);
    transport.send("by polling");
    expect(heard.kinds).toEqual(["connecting", "waiting", "connecting", "waiting", "polling"]);
    socket.is(CONNECTING, SOCKET);
    expect(heard.kinds.slice(5)).toEqual(["connecting", "connected"]);
    expect(poll.listener).toBeNull();
    transport.send("by socket");
    expect([poll.sent, socket.sent]).toEqual([["by polling"], ["by socket"]]);
  });

  test("does not count a socket that was open and broke", () => {
    const { socket, poll } = fallback();
    socket.is(CONNECTING, WAITING, CONNECTING, SOCKET, WAITING, CONNECTING, WAITING);
    expect(poll.listener).toBeNull();
  });

  test("asks once for each failure while the server does not answer at all", () => {
    const { socket, poll, heard } = fallback();
    socket.is(CONNECTING, WAITING, CONNECTING, WAITING);
    poll.is(CONNECTING, WAITING);
    expect(poll.listener).toBeNull();
    expect(heard.kinds).toEqual(["connecting", "waiting", "connecting", "waiting"]);
    socket.is(CONNECTING, WAITING);
    expect(poll.listener).not.toBeNull();
  });

  test("shows that polling was lost, and lets it come back by itself", () => {
    const { socket, poll, heard } = fallback();
    socket.is(CONNECTING, WAITING, CONNECTING, WAITING);
    poll.is(CONNECTING, POLLING, WAITING, CONNECTING, POLLING);
    expect(heard.kinds.slice(4)).toEqual(["polling", "waiting", "connecting", "polling"]);
  });

  test("is closed whichever it used", () => {
    const { socket, poll, heard, transport } = fallback();
    socket.is(CONNECTING, WAITING, CONNECTING, WAITING);
    poll.is(CONNECTING, POLLING);
    transport.close();
    expect(heard.kinds.at(-1)).toBe("closed");
    expect([socket.listener, poll.listener]).toEqual([null, null]);
  });
});
