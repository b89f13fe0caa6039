import { describe, expect, test } from "vitest";
import { Rpc, RpcError } from "../src/rpc";
import type { Connection } from "../src/transport";
import { type Socket, WebSocketTransport } from "../src/websocket";
import { HandClock } from "./clock";

class HandSocket implements Socket {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: MessageEvent<unknown>) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  readonly sent: string[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
  }
  opens(): void {
    this.onopen?.({} as never);
  }
  brings(value: unknown): void {
    this.onmessage?.({ data: JSON.stringify(value) } as MessageEvent<unknown>);
  }
  breaks(): void {
    this.onclose?.({} as never);
  }
}

function setUp() {
  const clock = new HandClock();
  const sockets: HandSocket[] = [];
  const states: Connection[] = [];
  const notified: string[] = [];
  const transport = new WebSocketTransport(() => {
    const socket = new HandSocket();
    sockets.push(socket);
    return socket;
  }, clock);
  const rpc = new Rpc(transport, clock);
  rpc.open({ connection: (state) => states.push(state), notified: ({ method }) => notified.push(method) });
  return { clock, sockets, states, notified, rpc, last: () => sockets.at(-1)! };
}

async function failure(promise: Promise<unknown>): Promise<RpcError> {
  return promise.then(
    () => {
      throw new Error("it should not have succeeded");
    },
    (error: unknown) => error as RpcError,
  );
}

describe("the WebSocket transport", () => {
  test("connects again with waits that grow to a bound, and starts anew after a success", () => {
    const { clock, states, last } = setUp();
    const waits: number[] = [];
    for (let loss = 0; loss < 8; loss++) {
      last().breaks();
      const state = states.at(-1);
      if (state?.kind !== "waiting") throw new Error("it should wait");
      waits.push(state.until - clock.now());
      clock.forward(waits.at(-1)!);
    }
    expect(waits).toEqual([375, 750, 1500, 3000, 6000, 12000, 15000, 15000]);
    last().opens();
    last().breaks();
    expect(states.at(-1)).toMatchObject({ kind: "waiting", attempt: 1 });
  });

  test("asks after a silence, and gives the connection up when nothing comes", () => {
    const { clock, states, last } = setUp();
    last().opens();
    clock.forward(25_000);
    expect(last().sent.map((text) => JSON.parse(text).method)).toEqual(["server.info"]);
    const silent = last();
    clock.forward(10_000);
    expect(silent.closed).toBe(true);
    expect(states.at(-1)?.kind).toBe("waiting");
  });

  test("keeps a connection on which anything arrives", () => {
    const { clock, states, last } = setUp();
    last().opens();
    clock.forward(25_000);
    last().brings({ jsonrpc: "2.0", id: "probe", result: {} });
    clock.forward(20_000);
    expect(states.at(-1)?.kind).toBe("connected");
  });

  test("gives up an attempt that takes too long", () => {
    const { clock, states } = setUp();
    clock.forward(10_000);
    expect(states.at(-1)?.kind).toBe("waiting");
  });

  test("does not wait when it is told not to", () => {
    const { rpc, sockets, last } = setUp();
    last().breaks();
    rpc.retryNow();
    expect(sockets).toHaveLength(2);
  });

  test("hears nothing from a socket that it gave up", () => {
    const { clock, states, sockets, last } = setUp();
    last().opens();
    last().breaks();
    clock.forward(1000);
    sockets[0]?.opens();
    expect(states.at(-1)?.kind).toBe("connecting");
  });
});

describe("a call", () => {
  test("gets its own result, in whatever order they come", async () => {
    const { rpc, last } = setUp();
    last().opens();
    const first = rpc.call("a", {});
    const second = rpc.call("b", { x: 1 });
    const [one, two] = last().sent.map((text) => JSON.parse(text));
    expect(two).toMatchObject({ jsonrpc: "2.0", method: "b", params: { x: 1 } });
    last().brings({ jsonrpc: "2.0", id: two.id, result: "two" });
    last().brings({ jsonrpc: "2.0", id: one.id, result: "one" });
    expect(await Promise.all([first, second])).toEqual(["one", "two"]);
  });

  test("that is refused carries the server's word, sentence and data", async () => {
    const { rpc, last } = setUp();
    last().opens();
    const refused = failure(rpc.call("cell.edit", {}));
    const { id } = JSON.parse(last().sent[0]!);
    last().brings({ jsonrpc: "2.0", id, error: { code: -32004, message: "Too late.", data: { name: "Conflict", version: 3 } } });
    expect(await refused).toMatchObject({ name: "Conflict", message: "Too late.", data: { version: 3 } });
  });

  test("fails at once when there is no connection", async () => {
    const { rpc } = setUp();
    expect(await failure(rpc.call("a", {}))).toMatchObject({ name: "Disconnected" });
  });

  test("fails when the connection is lost", async () => {
    const { rpc, last } = setUp();
    last().opens();
    const lost = failure(rpc.call("a", {}));
    last().breaks();
    expect(await lost).toMatchObject({ name: "Disconnected" });
  });

  test("fails at its deadline, and a late answer is nobody's", async () => {
    const { clock, rpc, last } = setUp();
    last().opens();
    const late = failure(rpc.call("a", {}, 5_000));
    const { id } = JSON.parse(last().sent[0]!);
    clock.forward(5_000);
    last().brings({ jsonrpc: "2.0", id, result: 1 });
    expect(await late).toMatchObject({ name: "DeadlinePassed" });
  });
});

describe("a frame", () => {
  test("that is a known notification is told", () => {
    const { notified, last } = setUp();
    last().opens();
    last().brings({ jsonrpc: "2.0", method: "worksheet.presence", params: { worksheet: "w", people: [] } });
    last().brings({ jsonrpc: "2.0", method: "of.the.future", params: {} });
    last().brings([1, 2]);
    last().onmessage?.({ data: "{" } as MessageEvent<unknown>);
    expect(notified).toEqual(["worksheet.presence"]);
  });
});
