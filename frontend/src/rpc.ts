/** JSON-RPC 2.0 over a transport: pending calls by id, each with a deadline. */

import { type Call, type Notification, readFrame, type Reply } from "./protocol";
import { type Clock, type Connection, systemClock, type Transport } from "./transport";

/** Milliseconds. The server's own deadlines are shorter, so this one means that no answer will come. */
const DEADLINE = 30_000;

/** Calls that wait at the same time. More than that is a fault of this page, not of its user. */
const PENDING_LIMIT = 1000;

/**
 * A call that did not succeed. `name` is the server's word for it (specification, part *JSON-RPC*,
 * *Errors*), or one of two of our own: `Disconnected` and `DeadlinePassed`.
 * After those two it is not known whether the server did what was asked.
 */
export class RpcError extends Error {
  override readonly name: string;

  constructor(
    name: string,
    message: string,
    readonly data: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = name;
  }
}

/** The error that a reply carries. */
export function errorOf(error: NonNullable<Reply["error"]>): RpcError {
  const data = error.data ?? {};
  const name = typeof data["name"] === "string" ? data["name"] : `Error ${error.code}`;
  return new RpcError(name, error.message, data);
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: RpcError): void;
  cancelDeadline(): void;
}

export interface RpcListener {
  notified(notification: Notification): void;
  connection(state: Connection): void;
}

export class Rpc {
  readonly #pending = new Map<string, Pending>();
  #last = 0;

  constructor(
    private readonly transport: Transport,
    private readonly clock: Clock = systemClock,
  ) {}

  open(listener: RpcListener): void {
    this.transport.open({
      received: (text) => {
        const frame = readFrame(text);
        if (frame?.kind === "reply") this.#settle(frame.reply);
        else if (frame?.kind === "notification") listener.notified(frame.notification);
      },
      connection: (state) => {
        if (state.kind !== "connected") this.#failAll(new RpcError("Disconnected", "The connection was lost."));
        listener.connection(state);
      },
    });
  }

  /**
   * Call a method and wait for its result.
   *
   * @param deadline milliseconds
   * @throws RpcError what the server answered; `Disconnected`; `DeadlinePassed`
   */
  call(method: string, params: Readonly<Record<string, unknown>>, deadline: number = DEADLINE): Promise<unknown> {
    if (this.#pending.size >= PENDING_LIMIT)
      return Promise.reject(new RpcError("LimitExceeded", "Too many requests are waiting.", { limit: PENDING_LIMIT }));
    const id = String(++this.#last);
    const call: Call = { jsonrpc: "2.0", id, method, params };
    return new Promise((resolve, reject) => {
      const cancelDeadline = this.clock.later(deadline, () => {
        this.#pending.delete(id);
        reject(new RpcError("DeadlinePassed", `${method} was not answered in ${deadline / 1000} seconds.`));
      });
      this.#pending.set(id, { resolve, reject, cancelDeadline });
      if (!this.transport.send(JSON.stringify(call))) {
        this.#pending.delete(id);
        cancelDeadline();
        reject(new RpcError("Disconnected", "There is no connection to the server."));
      }
    });
  }

  retryNow(): void {
    this.transport.retryNow();
  }

  close(): void {
    this.transport.close();
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    pending.cancelDeadline();
    if (reply.error !== undefined) pending.reject(errorOf(reply.error));
    else pending.resolve(reply.result);
  }

  #failAll(error: RpcError): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject, cancelDeadline } of pending) {
      cancelDeadline();
      reject(error);
    }
  }
}
