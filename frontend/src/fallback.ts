/** The transport of the page: the WebSocket, and polling where it does not open although the server is there. */

import type { Connection, Listener, Transport } from "./transport";

/** So many attempts in a row that opened no WebSocket, before polling is tried. */
const FAILURES = 2;

/** The WebSocket keeps trying by itself meanwhile, and takes over when it opens. */
export class FallbackTransport implements Transport {
  #listener: Listener | null = null;
  #current: Transport;
  #failures = 0;
  #before: Connection["kind"] = "closed";

  constructor(
    private readonly socket: Transport,
    private readonly polling: Transport,
  ) {
    this.#current = socket;
  }

  open(listener: Listener): void {
    this.#listener = listener;
    this.socket.open({ received: (text) => listener.received(text), connection: (state) => this.#socketIs(state) });
  }

  send(text: string): boolean {
    return this.#current.send(text);
  }

  retryNow(): void {
    this.socket.retryNow();
    this.polling.retryNow();
  }

  close(): void {
    this.polling.close();
    this.#current = this.socket;
    this.#failures = 0;
    this.socket.close();
    this.#listener = null;
  }

  #socketIs(state: Connection): void {
    const failed = this.#before === "connecting" && state.kind === "waiting";
    this.#before = state.kind;
    if (state.kind === "connected") {
      this.#failures = 0;
      this.polling.close();
      if (this.#current === this.polling) {
        // What was posted and not answered counts as lost, as on any change of the connection.
        this.#current = this.socket;
        this.#listener?.connection({ kind: "connecting" });
      }
    }
    if (this.#current === this.socket) this.#listener?.connection(state);
    if (failed && ++this.#failures >= FAILURES && this.#current === this.socket) this.#tryPolling();
  }

  /** One attempt: where the server does not answer either, the next one comes with the next of the WebSocket. */
  #tryPolling(): void {
    this.polling.close();
    this.polling.open({
      received: (text) => this.#listener?.received(text),
      connection: (state) => {
        if (state.kind === "connected") this.#current = this.polling;
        if (this.#current === this.polling && state.kind !== "closed") this.#listener?.connection(state);
        else if (state.kind === "waiting") this.polling.close();
      },
    });
  }
}
