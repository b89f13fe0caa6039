import type { Clock } from "../src/transport";

/** A clock that stands still until it is moved. */
export class HandClock implements Clock {
  #now = 0;
  #due: { at: number; then: () => void }[] = [];

  now = () => this.#now;
  random = () => 0.5;

  later = (delay: number, then: () => void) => {
    const timer = { at: this.#now + delay, then };
    this.#due.push(timer);
    return () => {
      this.#due = this.#due.filter((other) => other !== timer);
    };
  };

  forward(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = this.#due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = next.at;
      this.#due = this.#due.filter((other) => other !== next);
      next.then();
    }
    this.#now = end;
  }
}
