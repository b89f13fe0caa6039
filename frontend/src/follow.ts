/**
 * Keeps an open worksheet up to date: opens it, subscribes to its log and its session's feed, and
 * asks again from the cursor when the connection was lost or a number is missing.
 *
 * It remembers only what is under way; how far it has read stands in the notebook's cursors.
 */

import { type Client, PAGE } from "./client";
import { apply, type Notebook, type NotebookEvent, openNotebook } from "./notebook";
import type { AccountName, CellId, Entry, MessageId, Notification, Publication, SessionUid, WorksheetId } from "./protocol";
import { RpcError } from "./rpc";

export interface FollowerHost {
  readonly me: AccountName;
  notebook(): Notebook | null;
  replace(notebook: Notebook): void;
  /** The worksheet cannot be shown any more; `reason` is a sentence. */
  closed(reason: string): void;
}

/** Faults that do not close the worksheet: the next connection or the next session goes on from the cursors. */
const PASSING = new Set(["Disconnected", "DeadlinePassed", "KernelUnavailable", "SessionDead"]);

export class Follower {
  #feed: SessionUid | null = null;
  #ended = false;
  #catchingUp = false;

  constructor(
    private readonly client: Client,
    readonly worksheet: WorksheetId,
    private readonly host: FollowerHost,
  ) {}

  /** The connection stands, for the first time or again: go on from the cursors. */
  async connected(): Promise<void> {
    this.#feed = null;
    try {
      let notebook = this.host.notebook();
      if (notebook === null) {
        notebook = openNotebook(this.host.me, await this.client.openWorksheet(this.worksheet));
        if (this.#ended) return;
        this.host.replace(notebook);
      }
      await this.client.subscribeWorksheet(this.worksheet, notebook.log.cursor);
      await this.#followFeed();
    } catch (error) {
      this.#failed(error);
    }
  }

  notified(notification: Notification): void {
    if (this.#ended) return;
    switch (notification.method) {
      case "server.kernel":
        if (notification.params.kernel === "ready") this.#knowSession().catch((error) => this.#failed(error));
        else this.#apply({ type: "kernel_gone" });
        break;
      case "worksheet.entries": {
        const { worksheet, entries, latest } = notification.params;
        if (worksheet === this.worksheet) this.#apply({ type: "entries", entries, latest });
        break;
      }
      case "worksheet.presence": {
        const { worksheet, people } = notification.params;
        if (worksheet === this.worksheet) this.#apply({ type: "presence", people });
        break;
      }
      case "worksheet.carets": {
        const { worksheet, carets } = notification.params;
        if (worksheet === this.worksheet) this.#apply({ type: "carets", carets });
        break;
      }
      case "worksheet.closed":
        if (notification.params.worksheet === this.worksheet) this.#end(notification.params.reason);
        break;
      case "feed.publications": {
        const { session, publications, latest, gone } = notification.params;
        this.#apply({ type: "publications", session, publications, latest, gone: gone ?? null });
        break;
      }
    }
  }

  /**
   * Load an answer from its beginning, because only its ends are here.
   *
   * @throws RpcError when the server cannot give it; what is shown stays
   */
  async loadWhole(msgId: MessageId): Promise<void> {
    const notebook = this.host.notebook();
    const run = [...(notebook?.runs.values() ?? [])].find(({ msg_id }) => msg_id === msgId);
    const first = notebook?.omitted.get(msgId)?.first ?? notebook?.answers.get(msgId)?.outputs[0]?.key;
    if (run === undefined || first === undefined) return;
    // Where it began is not known: go back, a page at a time, until the page has its beginning.
    let from = Math.floor(first);
    let publications: readonly Publication[];
    do {
      from = Math.max(0, from - PAGE);
      ({ publications } = await this.client.publicationsSince(run.session, from));
    } while (from > 0 && !publications.some(({ parent, msg_type }) => parent === msgId && msg_type === "execute_input"));
    const all = [...publications];
    for (;;) {
      const session = this.host.notebook()?.session;
      const upTo = all.at(-1)?.number ?? from;
      // Of another session all is there already; of this one, what has been heard.
      const cursor = session?.uid === run.session ? session.feed.cursor : Infinity;
      if (upTo >= cursor) {
        const due = all.filter(({ number }) => number <= cursor);
        return this.#apply({ type: "whole", msgId, publications: due, upTo: cursor });
      }
      const next = await this.client.publicationsSince(run.session, upTo);
      if (next.publications.length === 0) {
        if (cursor === Infinity) this.#apply({ type: "whole", msgId, publications: all, upTo: cursor });
        return;
      }
      all.push(...next.publications);
    }
  }

  /** Stop following, because the person goes elsewhere. Faults do not matter any more. */
  leave(): void {
    if (this.#ended) return;
    this.#ended = true;
    const ignore = () => undefined;
    this.client.unsubscribeWorksheet(this.worksheet).catch(ignore);
    if (this.#feed !== null) this.client.unsubscribeFeed(this.#feed).catch(ignore);
  }

  #apply(event: NotebookEvent): void {
    const notebook = this.host.notebook();
    if (notebook === null) return;
    const next = apply(notebook, event);
    this.host.replace(next);
    if (event.type === "entries") this.#remember(event.entries);
    if (next.session?.uid !== notebook.session?.uid) this.#followFeed().catch((error) => this.#failed(error));
    if (next.log.gap || next.session?.feed.gap) void this.#catchUp();
  }

  /** Cells that were brought back: what ran last in them is not in the log that follows. */
  #remember(entries: readonly Entry[]): void {
    for (const entry of entries)
      if (entry.kind === "cell_created" && entry.cell.version > 0)
        this.#rememberRun(entry.cell.id).catch((error) => this.#failed(error));
  }

  async #rememberRun(cell: CellId): Promise<void> {
    const [run] = (await this.client.runs(this.worksheet, cell, null, 1)).runs;
    if (run === undefined) return;
    const outputs = await this.client.runOutputs(this.worksheet, run.id);
    if (!this.#ended) this.#apply({ type: "run_remembered", run, outputs });
  }

  async #followFeed(): Promise<void> {
    const session = this.host.notebook()?.session ?? null;
    if (session === null || session.uid === this.#feed) return;
    const before = this.#feed;
    this.#feed = session.uid;
    if (before !== null) await this.client.unsubscribeFeed(before);
    await this.client.subscribeFeed(session.uid, session.feed.cursor);
    await this.#knowSession();
  }

  /** Ask what the session is doing, where nothing was heard of it. */
  async #knowSession(): Promise<void> {
    const session = this.host.notebook()?.session ?? null;
    if (session?.state === "unknown") this.#apply({ type: "session_known", session: await this.client.sessionInfo(session.uid) });
  }

  /** A number is missing: read from the cursor until nothing is. One at a time. */
  async #catchUp(): Promise<void> {
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    try {
      for (let notebook = this.host.notebook(); notebook !== null && !this.#ended; notebook = this.host.notebook()) {
        const { log, session } = notebook;
        if (log.gap) {
          const { entries, latest } = await this.client.entriesSince(this.worksheet, log.cursor);
          this.#apply({ type: "entries", entries, latest });
        } else if (session?.feed.gap) {
          const { publications, latest, gone } = await this.client.publicationsSince(session.uid, session.feed.cursor);
          this.#apply({ type: "publications", session: session.uid, publications, latest, gone: gone ?? null });
        } else break;
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#catchingUp = false;
    }
  }

  #failed(error: unknown): void {
    if (error instanceof RpcError && PASSING.has(error.name)) return;
    this.#end(error instanceof Error ? error.message : String(error));
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.host.closed(reason);
  }
}
