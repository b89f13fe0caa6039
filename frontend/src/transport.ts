/** How text frames reach a server, whichever server that is: over a socket, by polling, in a worker. */

/** In which state the way to the server is. Times are in milliseconds of the given clock. */
export type Connection =
  | { readonly kind: "connecting" }
  /** `polling`: without a WebSocket, by requests that wait for news. */
  | { readonly kind: "connected"; readonly polling: boolean }
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

/** Milliseconds. The first wait is short, because most losses are a restart; the last one spares a server that is down. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 20_000;

/** How long to wait after a loss; `attempt` counts from 0 those that came before it. */
export function waitAfter(attempt: number, clock: Clock): number {
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt) * (0.5 + clock.random() / 2);
}
