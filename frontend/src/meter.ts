/** What the session uses, while somebody looks. */

import type { Client } from "./client";
import { sessionIsOver } from "./overview";
import type { SessionDetails, SessionUid } from "./protocol";
import { RpcError } from "./rpc";
import type { State } from "./state";
import type { Store } from "./store";
import type { Clock } from "./transport";
import { type Meter, meterOf } from "./usage";

/** Milliseconds between two questions: while code runs, and while none does. */
const BUSY = 4_000;
const QUIET = 30_000;

/** After the session began or ended something. */
const SETTLE = 500;

export class Metering {
  #next: (() => void) | null = null;
  #state = "";
  #asking = false;

  /** @param visible whether anybody can see it; nothing is asked otherwise */
  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly clock: Clock,
    private readonly visible: () => boolean,
  ) {
    store.watch((state) => {
      const now = `${metered(state)} ${state.notebook?.session?.state}`;
      if (now === this.#state) return;
      this.#state = now;
      if (metered(state) === null) this.#forget();
      else this.#in(SETTLE);
    });
  }

  /** The page is looked at again. */
  wake(): void {
    if (metered(this.store.state) !== null) this.#in(0);
  }

  #in(delay: number): void {
    this.#next?.();
    this.#next = this.clock.later(delay, () => void this.#ask());
  }

  #forget(): void {
    this.#next?.();
    this.#next = null;
    if (this.store.state.meter !== null) this.store.set({ meter: null });
  }

  async #ask(): Promise<void> {
    this.#next = null;
    const session = metered(this.store.state);
    // Who looks again asks anew: a hidden page has no clock.
    if (session === null || this.#asking || !this.visible()) return;
    this.#asking = true;
    try {
      this.#learn(session, await this.client.sessionInfo(session));
    } catch (error) {
      if (!(error instanceof RpcError)) throw error; // what was told last stands a little longer
    } finally {
      this.#asking = false;
    }
    if (this.#next === null && metered(this.store.state) !== null) this.#in(this.store.state.notebook?.session?.state === "busy" ? BUSY : QUIET);
  }

  #learn(session: SessionUid, { use }: SessionDetails): void {
    if (metered(this.store.state) !== session) return;
    const before = this.store.state.meter;
    const meter: Meter | null = use === null ? null : meterOf(before?.session === session ? before : null, session, use, this.clock.now());
    this.store.set({ meter });
  }
}

function metered({ notebook, connection, past }: State): SessionUid | null {
  if (notebook?.session == null || past !== null || connection.kind !== "connected") return null;
  return sessionIsOver(notebook) ? null : notebook.session.uid;
}
