/** The transport over a WebSocket: connects again with growing waits, and notices a dead connection. */

import { type Clock, type Connection, type Listener, systemClock, type Transport, waitAfter } from "./transport";

/** As much of a browser's WebSocket as is used. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  onclose: ((event: never) => void) | null;
  send(text: string): void;
  close(): void;
}

/** Milliseconds. A browser does not tell a page about pings, so silence this long is ended by a question. */
const SILENCE = 25_000;
/** A question, or a connection attempt, that brings nothing for this long means a dead connection. */
const PATIENCE = 10_000;

/** A call that every server answers; its id belongs to no pending call. */
const PROBE = JSON.stringify({ jsonrpc: "2.0", id: "probe", method: "server.info", params: {} });

export class WebSocketTransport implements Transport {
  #listener: Listener | null = null;
  #socket: Socket | null = null;
  #state: Connection = { kind: "closed" };
  #attempt = 0;
  #cancel: () => void = () => {};

  /** @param connect makes a socket that is connecting */
  constructor(
    private readonly connect: () => Socket,
    private readonly clock: Clock = systemClock,
  ) {}

  open(listener: Listener): void {
    this.#listener = listener;
    this.#try();
  }

  send(text: string): boolean {
    if (this.#socket === null || this.#state.kind !== "connected") return false;
    this.#socket.send(text);
    return true;
  }

  retryNow(): void {
    if (this.#state.kind === "waiting") this.#try();
  }

  close(): void {
    this.#drop();
    this.#tell({ kind: "closed" });
    this.#listener = null;
  }

  #try(): void {
    this.#drop();
    this.#tell({ kind: "connecting" });
    const socket = this.connect();
    this.#socket = socket;
    this.#expect(PATIENCE, () => this.#lost());
    socket.onopen = () => {
      this.#attempt = 0;
      this.#listen();
      this.#tell({ kind: "connected", polling: false });
    };
    socket.onmessage = ({ data }) => {
      this.#listen();
      if (typeof data === "string") this.#listener?.received(data);
    };
    socket.onclose = () => this.#lost();
  }

  #listen(): void {
    this.#expect(SILENCE, () => {
      this.#socket?.send(PROBE);
      this.#expect(PATIENCE, () => this.#lost());
    });
  }

  #lost(): void {
    this.#drop();
    const wait = waitAfter(this.#attempt, this.clock);
    this.#attempt++;
    this.#expect(wait, () => this.#try());
    this.#tell({ kind: "waiting", attempt: this.#attempt, until: this.clock.now() + wait });
  }

  /** One timer at a time: the newest expectation replaces the one before. */
  #expect(delay: number, then: () => void): void {
    this.#cancel();
    this.#cancel = this.clock.later(delay, then);
  }

  #drop(): void {
    this.#cancel();
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #tell(state: Connection): void {
    this.#state = state;
    this.#listener?.connection(state);
  }
}
