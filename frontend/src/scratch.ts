/** The scratch cell: code that one person tries in the session, beside the worksheet and for their eyes alone. */

import type { ChangeSet } from "@codemirror/state";
import type { Client } from "./client";
import { changed } from "./draft";
import { may } from "./notebook";
import type { CellId, CellType, MessageId } from "./protocol";
import type { State } from "./state";
import type { Store } from "./store";

export interface ScratchHost {
  tell(work: () => Promise<unknown>): Promise<void>;
  newId(): MessageId;
  addCell(after: CellId | null, type: CellType, edit: boolean, source: string): Promise<void>;
}

export class Scratch {
  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly host: ScratchHost,
  ) {}

  toggle(): void {
    const { scratch } = this.store.state;
    this.#set({ open: !scratch.open });
    if (!scratch.open) this.store.set({ editing: false });
  }

  typed(change: ChangeSet): void {
    this.#set({ text: changed(this.store.state.scratch.text, change) });
  }

  /** Try what is written; the first time it may be that a session starts. */
  async run(): Promise<void> {
    const { notebook, scratch } = this.store.state;
    if (notebook === null || scratch.text.trim() === "") return;
    await this.host.tell(async () => {
      const { uid } = notebook.session ?? (await this.client.session(notebook.worksheet.id));
      const msgId = this.host.newId();
      this.#set({ msgId });
      await this.client.tryOut(uid, scratch.text, msgId);
    });
  }

  /** Make a cell of it, below the current one. */
  async insert(): Promise<void> {
    const { notebook, scratch, current } = this.store.state;
    if (notebook === null || !may(notebook.worksheet.role, "edit")) return;
    await this.host.addCell(current, "code", false, scratch.text);
    this.#set({ open: false, text: "", msgId: null });
  }

  #set(fields: Partial<State["scratch"]>): void {
    this.store.update((state) => ({ ...state, scratch: { ...state.scratch, ...fields } }));
  }
}
