/** What is done with worksheets as wholes: looking for them, making, copying, importing and deleting them. */

import type { Client } from "./client";
import type { ListedWorksheet, WorksheetId } from "./protocol";
import { RpcError } from "./rpc";
import type { Route, State } from "./state";
import type { Store } from "./store";
import type { Clock } from "./transport";
import { type Group, HOME, type HomeView, type Import, LINES, lossOf, type Order } from "./worksheets";

export interface HomeHost {
  /** Do it; a fault becomes a notice. */
  tell(work: () => Promise<unknown>): Promise<void>;
  notify(text: string): void;
  confirm(what: { title: string; text: string; action: string; then: () => void }): void;
  go(route: Route): void;
  newId(): WorksheetId;
}

/** Milliseconds without a key before the server searches the cells. */
const TYPING = 200;

/** The server takes no larger file: its limit `import_bytes`. */
const MOST_BYTES = 3_500_000;

/** Milliseconds from one look at the list to the next; a look that takes long makes the next wait longer. */
const LOOK_AGAIN = 10_000;
const REST = 20;

export class HomeActions {
  #cancel: () => void = () => undefined;
  #nextLook = 0;

  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly clock: Clock,
    private readonly host: HomeHost,
  ) {}

  async refresh(): Promise<void> {
    await this.host.tell(() => this.#look());
  }

  /** Somebody looks at the list: show what others changed, at most every ten seconds and a twentieth of the time. */
  async lookAgain(): Promise<void> {
    const { route, connection } = this.store.state;
    if (route.page !== "home" || connection.kind !== "connected" || this.clock.now() < this.#nextLook) return;
    try {
      await this.#look();
    } catch (error) {
      if (!(error instanceof RpcError)) throw error; // the next look may find the server
    }
  }

  async #look(): Promise<void> {
    const began = this.clock.now();
    this.#nextLook = Infinity;
    try {
      const worksheets = await this.client.worksheets("");
      this.store.set({ worksheets, now: this.clock.now() });
    } finally {
      const now = this.clock.now();
      this.#nextLook = now + Math.max(LOOK_AGAIN, REST * (now - began));
    }
  }

  // --- How it is looked at --------------------------------------------------------------------

  /** Titles and owners are searched here and now, the cells by the server once the typing rests. */
  search(query: string): void {
    this.#set({ query, found: null, shown: LINES });
    this.#cancel();
    if (query.trim() === "") return;
    this.#cancel = this.clock.later(TYPING, () => {
      void this.host.tell(async () => {
        const found = await this.client.worksheets(query.trim());
        if (this.store.state.home.query === query) this.#set({ found: new Map(found.map(({ id, found }) => [id, found])) });
      });
    });
  }

  choose(group: Group): void {
    this.#set({ group, shown: LINES });
  }

  sort(order: Order): void {
    this.#set({ order });
  }

  more(): void {
    this.#set({ shown: this.store.state.home.shown + LINES });
  }

  /** As if one had just come; what is being imported goes on. */
  reset(): void {
    this.#cancel();
    this.#set({ ...HOME, imports: this.store.state.home.imports });
  }

  // --- What is done ---------------------------------------------------------------------------

  async create(): Promise<void> {
    await this.host.tell(async () => {
      const { id } = await this.client.createWorksheet("Untitled", this.host.newId());
      this.host.go({ page: "worksheet", id });
    });
  }

  async duplicate({ id, title }: ListedWorksheet, outputs: boolean): Promise<void> {
    await this.host.tell(async () => {
      const copy = await this.client.duplicateWorksheet(id, this.host.newId(), outputs);
      this.host.notify(`“${title}” was copied to “${copy.title}”, which is yours.`);
      await this.#look();
    });
  }

  delete(worksheet: ListedWorksheet): void {
    this.host.confirm({
      title: `Delete “${worksheet.title}”?`,
      text: lossOf(worksheet),
      action: "Delete",
      then: () =>
        void this.host.tell(async () => {
          await this.client.deleteWorksheet(worksheet.id);
          await this.#look();
        }),
    });
  }

  /** One file is opened, several are listed with what became of each. */
  async import(files: readonly File[]): Promise<void> {
    const [only] = files;
    if (only === undefined) return;
    if (files.length === 1) {
      return this.host.tell(async () => this.host.go({ page: "worksheet", id: await this.#import(only) }));
    }
    if (this.store.state.route.page !== "home") this.host.go({ page: "home" });
    const first = this.store.state.home.imports.length;
    this.#set({ imports: [...this.store.state.home.imports, ...files.map(({ name }): Import => ({ name, step: "waits", why: "", id: null }))] });
    // One after another: each is a write, and the server has the right to a pause between them.
    for (const [n, file] of files.entries()) {
      this.#step(first + n, { step: "goes" });
      try {
        this.#step(first + n, { step: "done", id: await this.#import(file) });
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        this.#step(first + n, { step: "failed", why: error.message });
      }
    }
    await this.refresh();
  }

  forgetImports(): void {
    this.#set({ imports: [] });
  }

  async #import(file: File): Promise<WorksheetId> {
    if (file.size > MOST_BYTES)
      throw new RpcError("LimitExceeded", `${file.name} has ${file.size.toLocaleString()} bytes; at most ${MOST_BYTES.toLocaleString()} are allowed.`);
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    } catch (error) {
      // A folder that was dropped looks like a file that cannot be read.
      const why = error instanceof TypeError ? "is no text in UTF-8" : "cannot be read";
      throw new RpcError("InvalidParams", `${file.name} ${why}.`);
    }
    return (await this.client.importWorksheet(file.name, text, this.host.newId())).id;
  }

  #step(place: number, step: Partial<Import>): void {
    this.#set({ imports: this.store.state.home.imports.map((one, n) => (n === place ? { ...one, ...step } : one)) });
  }

  #set(part: Partial<HomeView>): void {
    this.store.update((state) => ({ ...state, home: { ...state.home, ...part } }));
  }
}
