/** Looking at the session's variables: asked for when the pane opens, when something ended, and on demand. */

import type { Client } from "./client";
import { may, type Notebook } from "./notebook";
import { sessionIsOver } from "./overview";
import type { SessionUid } from "./protocol";
import { RpcError } from "./rpc";
import type { State } from "./state";
import type { Store } from "./store";
import type { Clock } from "./transport";
import { learn, type SortBy, type VariablesView } from "./variables";

/** Milliseconds. Runs of many cells end one after another; each is not worth a question. */
const SETTLE = 150;

/** How many one question brings: more than anybody reads. Beyond them the server searches. */
export const TOLD = 1000;

/** Rows of one variable at a time. */
export const ROWS = 20;

export class Looking {
  #asked = "";
  #cancel: (() => void) | null = null;
  #busy = false;

  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly clock: Clock,
  ) {
    store.watch((state) => {
      const key = whatMatters(state);
      if (key === this.#asked) return;
      this.#asked = key;
      if (key !== "") this.#soon();
    });
  }

  /** Ask now. */
  async refresh(): Promise<void> {
    const session = lookedAt(this.store.state);
    if (session === null) return;
    if (this.#busy) return this.#soon();
    this.#busy = true;
    const { search } = this;
    try {
      const told = await this.client.variables(session, search, TOLD);
      if (lookedAt(this.store.state) === session) this.#set((view) => learn(view, session, search, told));
      await this.#loadOpen(session);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.#set((view) => ({ ...view, fault: error.message }));
    } finally {
      this.#busy = false;
    }
  }

  filter(query: string): void {
    this.#set((view) => ({ ...view, query, at: null }));
    if (this.search !== this.store.state.variables.search) this.#soon();
  }

  /** Sort by a column; once more, the other way round. What is large stands first. */
  sort(by: SortBy): void {
    const large = by === "shape" || by === "size";
    this.#set((view) => ({ ...view, sort: by, falling: view.sort === by ? !view.falling : large }));
  }

  focused(name: string): void {
    if (this.store.state.variables.at !== name) this.#set((view) => ({ ...view, at: name }));
  }

  /** Open a variable at a row, or close it. */
  async toggle(name: string): Promise<void> {
    const { open } = this.store.state.variables;
    if (open?.name === name) this.#set((view) => ({ ...view, open: null }));
    else await this.page(name, 0);
  }

  async page(name: string, start: number): Promise<void> {
    const session = lookedAt(this.store.state);
    if (session === null) return;
    this.#set((view) => ({ ...view, open: { name, start: Math.max(0, start), details: view.open?.name === name ? view.open.details : null } }));
    try {
      await this.#loadOpen(session);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.#set((view) => ({ ...view, fault: error.message }));
    }
  }

  /** Only where there are more than were told must the server search. */
  private get search(): string {
    const { told, query, search } = this.store.state.variables;
    return search !== "" || (told !== null && told.next !== null) ? query.trim() : "";
  }

  async #loadOpen(session: SessionUid): Promise<void> {
    const { open } = this.store.state.variables;
    if (open === null) return;
    const details = await this.client.variable(session, open.name, open.start, ROWS);
    this.#set((view) => (view.open?.name === open.name && view.open.start === open.start ? { ...view, open: { ...open, details } } : view));
  }

  #soon(): void {
    this.#cancel?.();
    this.#cancel = this.clock.later(SETTLE, () => {
      this.#cancel = null;
      void this.refresh();
    });
  }

  #set(change: (view: VariablesView) => VariablesView): void {
    this.store.update((state) => ({ ...state, variables: change(state.variables) }));
  }
}

/** The session whose variables are on the screen, or null. */
function lookedAt({ pane, notebook, connection, past }: State): SessionUid | null {
  if (pane !== "variables" || notebook === null || past !== null || connection.kind !== "connected") return null;
  return mayLook(notebook) && notebook.session !== null && !sessionIsOver(notebook) ? notebook.session.uid : null;
}

/** Whoever could print them. Source: spec, *session.variables*. */
export function mayLook({ worksheet }: Notebook): boolean {
  return may(worksheet.role, "run");
}

/** When this changes, the variables may have; empty while nobody looks. */
function whatMatters(state: State): string {
  const session = lookedAt(state);
  return session === null ? "" : `${session} ${state.notebook?.stirred} ${state.notebook?.session?.state}`;
}

