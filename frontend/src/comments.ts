/** What a person does with comments: read, begin, answer, change, delete, settle. */

import type { Client } from "./client";
import { type Notebook, type NotebookEvent, textOf, toldPlace } from "./notebook";
import type { CellId, CommentId } from "./protocol";
import type { State } from "./state";
import type { Store } from "./store";
import { type CommentsView, isThere, newestOf, openThreads, type Saying, unreadIn } from "./threads";

/** As `quote_chars` of the server: a comment about more is about the cell. */
const QUOTE = 2_000;

export interface CommentsHost {
  tell(work: () => Promise<unknown>): Promise<void>;
  notify(text: string, action: { label: string; then: () => void }): void;
  apply(event: NotebookEvent): void;
  newId(): CommentId;
  visible(): boolean;
}

/** A stretch of the text that is selected in a cell, in UTF-16 units of the text as it is seen. */
export interface Selected {
  readonly cell: CellId;
  readonly anchor: number;
  readonly head: number;
}

export class Comments {
  #selected: Selected | null = null;

  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly host: CommentsHost,
  ) {
    store.watch((state) => this.#readWhatIsSeen(state));
  }

  /** The selection of the editor is there. */
  moved(cell: CellId, anchor: number, head: number): void {
    this.#selected = { cell, anchor, head };
  }

  /** Write about a cell, or about what is selected in it. */
  begin(cell: CellId, selected: Selected | null): void {
    const { notebook, editing } = this.store.state;
    if (notebook === null) return;
    const here = selected ?? (editing && this.#selected?.cell === cell ? this.#selected : null);
    this.#set({ at: null, saying: { kind: "begin", cell, ...aboutOf(notebook, cell, here) }, text: "" });
    this.store.set({ pane: "comments", current: cell, editing: false });
  }

  reply(thread: CommentId): void {
    this.#set({ at: thread, saying: { kind: "reply", thread }, text: "" });
  }

  edit(thread: CommentId, comment: CommentId, text: string): void {
    this.#set({ at: thread, saying: { kind: "edit", thread, comment }, text });
  }

  write(text: string): void {
    this.#set({ text });
  }

  cancel(): void {
    this.#set({ saying: null, text: "" });
  }

  /** Say what was written. It stays until the server has it. */
  async say(): Promise<void> {
    const { notebook, comments } = this.store.state;
    const { saying } = comments;
    const text = comments.text.trim();
    if (notebook === null || saying === null || text === "") return;
    const sheet = notebook.worksheet.id;
    await this.host.tell(async () => {
      const id = this.host.newId();
      if (saying.kind === "begin") await this.client.beginThread(sheet, saying.cell, text, id, saying.place);
      else if (saying.kind === "reply") await this.client.reply(sheet, saying.thread, text, id);
      else await this.client.editComment(sheet, saying.comment, text);
      // Who has begun something else meanwhile goes on with that.
      if (this.store.state.comments.saying === saying) this.#set({ at: saying.kind === "begin" ? id : saying.thread, saying: null, text: "" });
    });
  }

  async delete(comment: CommentId): Promise<void> {
    await this.#of((sheet) => this.client.deleteComment(sheet, comment));
    this.host.notify("Comment deleted.", { label: "Put it back", then: () => void this.#of((sheet) => this.client.restoreComment(sheet, comment)) });
  }

  async resolve(thread: CommentId, resolved: boolean): Promise<void> {
    await this.#of((sheet) => this.client.resolveThread(sheet, thread, resolved));
  }

  /** Look at a thread, and at its cell. */
  look(thread: CommentId | null): void {
    const found = this.store.state.notebook?.threads.find(({ id }) => id === thread);
    if (thread !== this.store.state.comments.at) this.#set({ at: thread });
    if (found !== undefined && this.store.state.current !== found.cell) this.store.set({ current: found.cell, editing: false, reveal: { cell: found.cell } });
  }

  /** Open the pane at the comments of a cell, the first that was not read. */
  open(cell: CellId): void {
    const { notebook } = this.store.state;
    if (notebook === null) return;
    const threads = openThreads(notebook.threads, cell);
    const wanted = threads.find((thread) => unreadIn(thread, notebook.me, notebook.read) > 0) ?? threads[0];
    this.store.set({ pane: "comments", current: cell, editing: false });
    this.#set({ at: wanted?.id ?? null, saying: null, text: "" });
  }

  /** Go to the next comment that was not read, or else to the next thread, from the top again after the last. */
  next(): void {
    const { notebook, comments } = this.store.state;
    if (notebook === null) return;
    const inOrder = shownThreads(notebook, false);
    const unread = inOrder.filter((thread) => thread.id !== comments.at && unreadIn(thread, notebook.me, notebook.read) > 0);
    const candidates = unread.length > 0 ? unread : inOrder;
    const at = inOrder.findIndex(({ id }) => id === comments.at);
    const next = candidates.find((thread) => inOrder.indexOf(thread) > at) ?? candidates[0];
    if (next === undefined) return;
    this.store.set({ pane: "comments" });
    this.look(next.id);
  }

  showSettled(settled: boolean): void {
    this.#set({ settled });
  }

  async #of(work: (sheet: Notebook["worksheet"]["id"]) => Promise<unknown>): Promise<void> {
    const { notebook } = this.store.state;
    if (notebook !== null) await this.host.tell(() => work(notebook.worksheet.id));
  }

  #readWhatIsSeen({ notebook, pane, comments }: State): void {
    if (notebook === null || pane !== "comments" || comments.at === null || !this.host.visible()) return;
    const thread = notebook.threads.find(({ id }) => id === comments.at);
    if (thread === undefined || unreadIn(thread, notebook.me, notebook.read) === 0) return;
    const number = newestOf(thread);
    this.host.apply({ type: "thread_read", thread: thread.id, number });
    // A mark that is lost is set by the next look.
    this.client.readThread(notebook.worksheet.id, thread.id, number).catch(() => undefined);
  }

  #set(fields: Partial<CommentsView>): void {
    this.store.update((state) => ({ ...state, comments: { ...state.comments, ...fields } }));
  }
}

function aboutOf(notebook: Notebook, id: CellId, selected: Selected | null): Pick<Extract<Saying, { kind: "begin" }>, "place" | "quote"> {
  const cell = notebook.cells.find((other) => other.id === id);
  const whole = { place: null, quote: "" };
  if (cell === undefined || selected === null || selected.cell !== id) return whole;
  const [from, to] = [Math.min(selected.anchor, selected.head), Math.max(selected.anchor, selected.head)];
  const told = toldPlace(notebook, id, from, to);
  if (told === null || told.anchor >= told.head || told.head - told.anchor > QUOTE) return whole;
  return { place: { range: [told.anchor, told.head], version: told.version }, quote: textOf(notebook, cell).slice(from, to) };
}

/** In the order of their cells; those of deleted cells are not shown. */
export function shownThreads({ threads, cells }: Notebook, settled: boolean): Notebook["threads"] {
  const places = new Map(cells.map(({ id }, place) => [id, place]));
  return threads
    .filter((thread) => places.has(thread.cell) && isThere(thread) && (settled || !thread.resolved))
    .toSorted((a, b) => places.get(a.cell)! - places.get(b.cell)! || (a.range?.[0] ?? -1) - (b.range?.[0] ?? -1));
}

/** What somebody else said between two states, for those who do not see it. */
export function newlySaid(before: Notebook, now: Notebook): string {
  if (before.threads === now.threads || before.worksheet.id !== now.worksheet.id) return "";
  for (const thread of now.threads.toReversed()) {
    const last = thread.comments.at(-1);
    if (last === undefined || last.author === now.me || last.number <= before.log.cursor) continue;
    const place = now.cells.findIndex(({ id }) => id === thread.cell) + 1;
    const who = now.members.find(({ account }) => account === last.author)?.display_name || last.author;
    if (place > 0) return `${who} ${thread.comments.length > 1 ? "answered in a comment" : "commented"} on cell ${place}`;
  }
  return "";
}
