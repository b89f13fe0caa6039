/** How text frames reach a server, whichever server that is: over a socket, by polling, in a worker. */

/** In which state the way to the server is. Times are in milliseconds of the given clock. */
export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected" }
  | { readonly kind: "waiting"; readonly attempt: number; readonly until: number }
  | { readonly kind: "closed" };

export interface Listener {
  received(text: string): void;
  connection(state: Connection): void;
}

/** A transport connects by itself and keeps doing so until it is closed. */
export interface Transport {
  /** Begin; the listener hears everything from now on. */
  open(listener: Listener): void;
  /** False when there is no connection: the frame was not sent. */
  send(text: string): boolean;
  /** Do not wait any longer before the next attempt. */
  retryNow(): void;
  close(): void;
}

/** The time, and what happens later. Handed in, so that a test can be the clock. */
export interface Clock {
  now(): number;
  /** Call `then` once after `delay` milliseconds, unless the returned function is called before. */
  later(delay: number, then: () => void): () => void;
  /** At least 0, less than 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  later: (delay, then) => {
    const timer = setTimeout(then, delay);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
