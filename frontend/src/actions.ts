/**
 * What a person can do on the page. Each action asks the server or replaces the state, never a view.
 *
 * Faults of an action become a notice; the state says the rest.
 */

import type { ChangeSet } from "@codemirror/state";
import { AdminActions } from "./admin";
import { Carets } from "./carets";
import { Changing } from "./changing";
import { clientOf, type Client } from "./client";
import { Comments } from "./comments";
import { Editing } from "./editing";
import { Finder } from "./finder";
import { Follower } from "./follow";
import { FilesActions } from "./files";
import { HomeActions } from "./home";
import * as http from "./http";
import { apply, cellState, isBlank, may, type NotebookEvent, unsentEdits } from "./notebook";
import type { Answer } from "./outputs";
import { PastActions } from "./past";
import type { Account, AccountName, Cell, CellId, CommentId, FileFormat, LinkId, MessageId, Notification, Role, Run, RunId, Which, WorksheetId } from "./protocol";
import { Rpc, RpcError } from "./rpc";
import { Asking } from "./asking";
import { Bell, type Desk } from "./bell";
import type { Told } from "./inspection";
import { Looking } from "./looking";
import { Metering } from "./meter";
import type { Asked } from "./prompts";
import { ClearingActions } from "./clearing";
import { Presenting } from "./presenting";
import { Scratch } from "./scratch";
import { Selecting } from "./selecting";
import { neighbour } from "./selection";
import { Shaping } from "./shaping";
import { placesOf, sectionsOf } from "./folding";
import { type Dialog, type Notice, type OutputLook, type Pane, pathOf, PLAIN_LOOK, type Preferences, type Route, routeOf, START, type State, type Theme } from "./state";
import type { Store } from "./store";
import { NO_COMMENTS } from "./threads";
import { type Clock, type Connection, type Transport } from "./transport";

/** Milliseconds that a notice stays; one with something to do stays longer. */
const NOTICE_TIME = 5_000;
const NOTICE_TIME_TO_ACT = 12_000;

/** An id of 128 random bits, made here so that a repeated request is applied once. */
function newId<Kind extends string>(): Kind {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  // The last character of 16 bytes is one of A, Q, g and w. At the front it keeps an id from beginning with
  // "-", which a command line takes for an option.
  return (text.slice(-1) + text.slice(0, -1)) as Kind;
}

const NONE: ReadonlySet<CellId> = new Set();

export class Actions {
  readonly past: PastActions;
  readonly admin: AdminActions;
  readonly changing: Changing;
  readonly shaping: Shaping;
  readonly clearing: ClearingActions;
  readonly selecting: Selecting;
  readonly finder: Finder;
  readonly home: HomeActions;
  readonly looking: Looking;
  readonly metering: Metering;
  readonly bell: Bell;
  readonly files: FilesActions;
  readonly comments: Comments;
  readonly presenting: Presenting;
  readonly scratch: Scratch;
  readonly #editing: Editing;
  readonly #carets: Carets;
  readonly #client: Client;
  readonly #rpc: Rpc;
  #follower: Follower | null = null;
  #lastNotice = 0;
  #opened = false;
  /** Runs go out one after another, in the order in which they were asked for. */
  #runs: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: Store<State>,
    transport: Transport,
    private readonly clock: Clock,
    desk: Desk,
  ) {
    this.#rpc = new Rpc(transport, clock);
    this.#client = clientOf(this.#rpc);
    this.past = new PastActions(store, this.#client, {
      tell: (work) => this.#tell(work),
      notify: (text) => this.notify(text, false),
      flush: () => Promise.all([...(this.store.state.notebook?.drafts.keys() ?? [])].map((cell) => this.#editing.flush(cell))),
      choose: async (cell) => {
        await this.#until((state) => state.notebook?.cells.some(({ id }) => id === cell) ?? true);
        this.choose(cell);
      },
    });
    this.admin = new AdminActions(store, this.#client, {
      tell: (work) => this.#tell(work),
      notify: (text) => this.notify(text, false),
      confirm: (what) => this.confirm(what),
    });
    this.clearing = new ClearingActions(() => store.state.notebook, this.#client, {
      tell: (work) => this.#tell(work),
      notify: (text) => this.notify(text, false),
      confirm: (what) => this.confirm(what),
    });
    this.changing = new Changing(store, this.#client, {
      typed: (cell, change) => this.typed(cell, change),
      flush: (cell) => this.#editing.flush(cell),
      until: (reached) => this.#until(reached),
      tell: (work) => this.#tell(work),
      choose: (cell) => this.choose(cell),
    });
    this.shaping = new Shaping(store, {
      changing: this.changing,
      choose: (cell, editing) => this.choose(cell, editing),
      notify: (text, wrong, action) => this.notify(text, wrong, action),
      newId: () => newId<CellId>(),
    });
    this.selecting = new Selecting(store, this.changing);
    this.finder = new Finder(store, {
      changing: this.changing,
      selecting: this.selecting,
      choose: (cell, editing) => this.choose(cell, editing),
    });
    this.files = new FilesActions(store, this.#client, {
      tell: (work) => this.#tell(work),
      confirm: (what) => this.confirm(what),
      newId: () => newId<string>(),
      save,
    });
    this.home = new HomeActions(store, this.#client, clock, {
      tell: (work) => this.#tell(work),
      notify: (text) => this.notify(text, false),
      confirm: (what) => this.confirm(what),
      go: (route) => this.go(route),
      newId: () => newId<WorksheetId>(),
    });
    this.presenting = new Presenting(store);
    this.scratch = new Scratch(store, this.#client, {
      tell: (work) => this.#tell(work),
      newId: () => newId<MessageId>(),
      addCell: (...cell) => this.shaping.add(...cell),
    });
    this.comments = new Comments(store, this.#client, {
      tell: (work) => this.#tell(work),
      notify: (text, action) => this.notify(text, false, action),
      apply: (event) => this.#apply(event),
      newId: () => newId<CommentId>(),
      visible: () => desk.visible(),
    });
    this.looking = new Looking(store, this.#client, clock);
    this.metering = new Metering(store, this.#client, clock, () => desk.visible());
    this.bell = new Bell(store, clock, desk, (cell) => this.show(cell), (text) => this.notify(text));
    new Asking(store, (text) => this.notify(text));
    this.#carets = new Carets(this.#client, clock, {
      notebook: () => this.store.state.notebook,
      apply: (event) => this.#apply(event),
    });
    let cells = store.state.notebook?.cells;
    store.watch(({ editing, notebook }) => {
      if (!editing) this.#carets.left();
      else if (notebook?.cells !== cells) this.#carets.edited();
      cells = notebook?.cells;
    });
    this.#editing = new Editing(this.#client, clock, {
      notebook: () => this.store.state.notebook,
      apply: (event) => this.#apply(event),
      failed: (error) => this.#report(error),
      newEdit: () => newId<string>(),
    });
  }

  // --- Coming and going -----------------------------------------------------------------------

  async start(): Promise<void> {
    const [, kind, secret] = /^#(link|visit|join|oidc)=(.+)$/.exec(location.hash) ?? [];
    if (secret !== undefined) {
      // Out of the address before anything else: it must reach no history, no referrer, no screenshot.
      history.replaceState(null, "", location.pathname);
      if (kind === "join") {
        this.store.set({ invitation: decodeURIComponent(secret), route: { page: "sign-up" } });
        return;
      }
      if (kind === "oidc") {
        this.store.set({ fault: http.OIDC_FAULTS[secret] ?? null });
        return this.#whoAmI();
      }
      try {
        if (kind === "link") return this.#signedIn(await http.signIn({ link: decodeURIComponent(secret) }));
        const { account, worksheet } = await http.visit(decodeURIComponent(secret));
        history.replaceState(null, "", pathOf({ page: "worksheet", id: worksheet }));
        return this.#signedIn(account);
      } catch (error) {
        this.store.set({ fault: sentence(error) });
      }
    }
    await this.#whoAmI();
  }

  async #whoAmI(): Promise<void> {
    try {
      const { signed_in, signup, oidc } = await http.serverInfo();
      this.store.set({ signup, oidc });
      if (signed_in === null) this.#signedOut();
      else this.#signedIn(signed_in);
    } catch (error) {
      if (error instanceof RpcError && error.name === "Disconnected") {
        this.clock.later(2_000, () => void this.#whoAmI());
        this.store.set({ fault: sentence(error) });
      } else {
        this.store.set({ route: { page: "sign-in" }, fault: sentence(error) });
      }
    }
  }

  async signIn(name: string, password: string): Promise<void> {
    this.store.set({ fault: null });
    try {
      this.#signedIn(await http.signIn({ name, password }));
    } catch (error) {
      this.store.set({ fault: sentence(error) });
    }
  }

  async signUp(name: string, password: string): Promise<void> {
    this.store.set({ fault: null });
    try {
      this.#signedIn(await http.signUp(name.trim(), password, this.store.state.invitation));
    } catch (error) {
      this.store.set({ fault: sentence(error) });
    }
  }

  /** From the one form at the door to the other. */
  toDoor(page: "sign-in" | "sign-up"): void {
    this.store.set({ route: { page }, fault: null });
  }

  async signOut(): Promise<void> {
    await this.#tell(async () => {
      await http.signOut();
      this.#leave();
      this.#rpc.close();
      this.#opened = false;
      this.#signedOut();
      history.replaceState(null, "", "/");
    });
  }

  #signedIn(account: Account): void {
    this.store.set({ account, invitation: null, fault: null });
    this.#show(routeOf(location.pathname));
    if (this.#opened) return;
    this.#opened = true;
    this.#rpc.open({
      connection: (state) => this.#connection(state),
      notified: (notification) => this.#notified(notification),
    });
  }

  #signedOut(): void {
    const { theme, pane, lineNumbers, bell, fault, signup, oidc } = this.store.state;
    this.store.update(() => ({ ...START, theme, pane, lineNumbers, bell, fault, signup, oidc, route: { page: "sign-in" } }));
  }

  #connection(connection: Connection): void {
    this.store.set({ connection, now: this.clock.now() });
    if (connection.kind === "connected") {
      void this.#connected();
    } else if (connection.kind === "waiting" && connection.attempt === 2) {
      // A refused socket does not say why: ask by HTTP whether this is still somebody.
      void http.serverInfo().then(
        ({ signed_in }) => {
          if (signed_in !== null) return;
          this.#leave();
          this.#rpc.close();
          this.#opened = false;
          this.#signedOut();
        },
        () => undefined,
      );
    }
  }

  #notified(notification: Notification): void {
    if (notification.method === "server.kernel") this.store.set({ kernel: notification.params.kernel });
    this.#follower?.notified(notification);
  }

  async #connected(): Promise<void> {
    const { route } = this.store.state;
    if (route.page === "home") await this.home.refresh();
    if (route.page === "admin") await this.admin.load(route.part);
    if (this.#follower === null) return;
    await this.#follower.connected();
    this.#editing.connected();
    this.#carets.connected();
  }

  retryNow(): void {
    this.#rpc.retryNow();
  }

  go(route: Route): void {
    if (pathOf(route) !== location.pathname) history.pushState(null, "", pathOf(route));
    this.#show(route);
  }

  /** The address changed, by the back button. */
  wentBack(): void {
    if (this.store.state.account !== null) this.#show(routeOf(location.pathname));
  }

  #show(route: Route): void {
    const { route: before, connection } = this.store.state;
    if (route.page === "worksheet" && before.page === "worksheet" && route.id === before.id && this.#follower !== null) return;
    this.#leave();
    this.store.set({ route, notebook: null, current: null, editing: false, closed: null, asked: new Set(), done: [], undone: [], selected: new Set(), anchor: null, folds: new Map(), find: null, following: null, presenting: null, past: null, dialog: null, comments: NO_COMMENTS, scratch: START.scratch, files: START.files, pane: this.store.state.pane === "files" ? null : this.store.state.pane });
    if (route.page === "home") {
      this.home.reset();
      if (connection.kind === "connected") void this.home.refresh();
    } else if (route.page === "admin") {
      if (connection.kind === "connected") void this.admin.load(route.part);
    } else if (route.page === "worksheet") {
      this.#follow(route.id);
    }
  }

  #follow(worksheet: WorksheetId): void {
    const { account, connection } = this.store.state;
    if (account === null) return;
    const follower = new Follower(this.#client, worksheet, {
      me: account.name,
      notebook: () => this.store.state.notebook,
      replace: (notebook) => {
        if (this.#follower !== follower) return;
        this.store.update((state) => {
          if (state.current !== null) return { ...state, notebook };
          return { ...state, notebook, current: notebook.cells[0]?.id ?? null, editing: isBlank(notebook) };
        });
      },
      closed: (reason) => this.store.set({ closed: reason, editing: false }),
    });
    this.#follower = follower;
    if (connection.kind === "connected") void follower.connected();
  }

  #leave(): void {
    const notebook = this.store.state.notebook;
    for (const cell of notebook?.drafts.keys() ?? []) void this.#editing.flush(cell).catch(() => undefined);
    this.#follower?.leave();
    this.#follower = null;
  }

  #apply(event: NotebookEvent): void {
    this.store.update((state) => (state.notebook === null ? state : { ...state, notebook: apply(state.notebook, event) }));
  }

  // --- Home -----------------------------------------------------------------------------------

  /** Hand the worksheet as a file to the browser, which keeps it where it keeps downloads. */
  async downloadWorksheet(id: WorksheetId, format: FileFormat): Promise<void> {
    await this.#tell(async () => {
      const { filename, media_type, text } = await this.#client.exportWorksheet(id, format);
      save(filename, new Blob([text], { type: media_type }));
    });
  }

  async renameWorksheet(id: WorksheetId, title: string): Promise<void> {
    const trimmed = title.trim();
    if (trimmed === "") return;
    await this.#tell(async () => {
      await this.#client.renameWorksheet(id, trimmed);
      if (this.store.state.route.page === "home") await this.home.refresh();
    });
  }

  // --- Cells ----------------------------------------------------------------------------------

  /** @param focus false leaves the keys in command mode */
  choose(cell: CellId | null, editing = false): void {
    const { notebook } = this.store.state;
    const editable = editing && notebook !== null && may(notebook.worksheet.role, "edit");
    this.store.set({ current: cell, editing: editable, selected: NONE, anchor: null });
  }

  /** Go to a cell, wherever it is: it comes to the middle of the screen and has the focus. */
  show(cell: CellId): void {
    this.selecting.unfold(cell, "section");
    this.store.set({ current: cell, editing: false, selected: NONE, anchor: null, reveal: { cell } });
  }

  /** Go to the field in which what code asks can be answered. */
  toPrompt({ cell, prompt }: Asked): void {
    this.store.set({ ...(cell === null ? {} : { current: cell }), editing: false, reveal: { cell, prompt } });
  }

  step(by: 1 | -1): void {
    const next = neighbour(this.store.state, by);
    if (next !== null) this.choose(next);
  }

  typed(cell: CellId, change: ChangeSet): void {
    this.#apply({ type: "typed", cell, change });
    this.#editing.touched(cell);
  }

  /** The selection moved in the editor of a cell. */
  caretMoved(cell: CellId, anchor: number, head: number): void {
    this.#carets.moved(cell, anchor, head);
    this.shaping.moved(cell, anchor, head);
    this.finder.moved(cell, head);
    this.comments.moved(cell, anchor, head);
  }

  /** Scroll with somebody from now on, or no longer. */
  follow(account: AccountName): void {
    this.store.update((state) => ({ ...state, following: state.following === account ? null : account }));
  }

  /** Send everything typed without waiting for a pause. */
  sendNow(): void {
    for (const cell of this.store.state.notebook?.drafts.keys() ?? []) void this.#tell(() => this.#editing.flush(cell));
  }

  async rename(title: string): Promise<void> {
    const { notebook } = this.store.state;
    if (notebook !== null && title.trim() !== notebook.worksheet.title) await this.renameWorksheet(notebook.worksheet.id, title);
  }

  // --- Running --------------------------------------------------------------------------------

  /** Run a cell, or for Markdown show it rendered; then stay, go to the next cell, or insert one. */
  run(id: CellId, then: "stay" | "next" | "insert"): void {
    const { notebook } = this.store.state;
    const at = notebook?.cells.findIndex((cell) => cell.id === id) ?? -1;
    const cell = notebook?.cells[at];
    if (notebook === null || cell === undefined) return;
    if (cell.type === "code") this.#ask(id);
    else void this.#tell(() => this.#editing.flush(id));
    const edits = may(notebook.worksheet.role, "edit");
    const next = notebook.cells[at + 1];
    if (then === "stay" || (next === undefined && !edits)) this.choose(id);
    else if (then === "insert" || next === undefined) void (edits ? this.shaping.add(id) : undefined);
    else this.choose(next.id);
  }

  /** Run the cells that are selected; then go on as after one. */
  runSelected(cells: readonly Cell[], then: "stay" | "next" | "insert"): void {
    const { notebook, folds } = this.store.state;
    const last = cells.at(-1);
    if (notebook === null || last === undefined) return;
    this.runCells("selected", cells.map(({ id }) => id));
    const edits = may(notebook.worksheet.role, "edit");
    const { seen } = sectionsOf(notebook.cells, folds);
    const place = placesOf(notebook.cells).get(last.id) ?? 0;
    const next = seen.find(({ id }) => (placesOf(notebook.cells).get(id) ?? 0) > place);
    if (then === "stay" || (next === undefined && !edits)) return;
    if (then === "insert" || next === undefined) void (edits ? this.shaping.add(last.id) : undefined);
    else this.choose(next.id);
  }

  /** Run many cells by one request; the server stops at the first that fails. @param cells those selected */
  runCells(which: Which, cells: readonly CellId[] = []): void {
    const { notebook, current } = this.store.state;
    if (notebook === null) return;
    const worksheet = notebook.worksheet.id;
    const needsCell = which === "above" || which === "below";
    if (needsCell && current === null) return;
    const more = which === "selected" ? { cells } : needsCell && current !== null ? { cell: current } : {};
    this.#runs = this.#runs.then(() =>
      this.#tell(async () => {
        await Promise.all([...notebook.drafts.keys()].map((id) => this.#editing.flush(id)));
        const made = await this.#client.runCells(worksheet, which, newId<RunId>(), more);
        if (this.store.state.notebook?.worksheet.id !== worksheet) return;
        for (const run of made) this.#apply({ type: "run_known", run });
        if (made.length === 0) this.notify("There is nothing to run.", false);
        else this.#watchSeries(made);
      }),
    );
  }

  /** Say where a series stops, once. */
  #watchSeries(series: readonly Run[]): void {
    const open = new Map(series.map((run) => [run.id, run.cell]));
    const stop = this.store.watch(({ notebook }) => {
      if (notebook?.worksheet.id !== series[0]?.worksheet) return stop();
      for (const [id, cell] of open) {
        const run = cell === null ? undefined : notebook?.runs.get(cell);
        if (run?.id === id && (run.state === "queued" || run.state === "running")) return;
        open.delete(id);
        if (cell === null || run?.id !== id || run.state === "ok") continue;
        stop();
        const place = (notebook?.cells.findIndex((other) => other.id === cell) ?? -1) + 1;
        const left = open.size === 0 ? "" : ` ${open.size} behind it did not run.`;
        this.notify(`The run stopped at cell ${place}.${left}`, true, { label: "Show the cell", then: () => this.show(cell) });
        return;
      }
      stop();
    });
  }

  #ask(id: CellId): void {
    const { notebook } = this.store.state;
    if (notebook === null) return;
    const worksheet = notebook.worksheet.id;
    if (!may(notebook.worksheet.role, "run")) {
      this.notify("You may look at this worksheet, but not run it.", true);
      return;
    }
    this.store.update((state) => ({ ...state, asked: new Set([...state.asked, id]) }));
    const run = async () => {
      try {
        await this.#editing.flush(id);
        const made = await this.#client.runCell(worksheet, id, newId<RunId>());
        if (this.store.state.notebook?.worksheet.id === worksheet) this.#apply({ type: "run_known", run: made });
      } finally {
        this.store.update((state) => ({ ...state, asked: new Set([...state.asked].filter((other) => other !== id)) }));
      }
    };
    this.#runs = this.#runs.then(() => this.#tell(run));
  }

  /** A cell that waits is cancelled; what runs now, perhaps somebody else's, goes on. */
  async cancel(id: CellId): Promise<void> {
    const run = this.store.state.notebook?.runs.get(id);
    if (run) await this.#tell(() => this.#client.cancel(run.session, run.msg_id));
  }

  /** What the keys do: cancel the current cell if it waits, otherwise interrupt what runs. */
  async stop(): Promise<void> {
    const { notebook, current } = this.store.state;
    if (notebook !== null && current !== null && cellState(notebook, current).kind === "queued") return this.cancel(current);
    return this.interrupt();
  }

  async cancelRequest(msgId: MessageId): Promise<void> {
    const session = this.store.state.notebook?.session;
    if (session) await this.#tell(() => this.#client.cancel(session.uid, msgId));
  }

  /** Let a run that waits change places with the one before or behind it. */
  async moveRequest(msgId: MessageId, by: 1 | -1): Promise<void> {
    const session = this.store.state.notebook?.session;
    const at = session?.queue.indexOf(msgId) ?? -1;
    if (!session || at === -1 || at + by < 0 || at + by >= session.queue.length) return;
    const before = session.queue[by === -1 ? at - 1 : at + 2] ?? null;
    await this.#tell(() => this.#client.move(session.uid, msgId, before));
  }

  async interrupt(): Promise<void> {
    const session = this.store.state.notebook?.session;
    if (session) await this.#tell(() => this.#client.interrupt(session.uid));
  }

  restart(): void {
    const session = this.store.state.notebook?.session;
    if (!session) return this.notify("There is no session yet: the first run starts one.", false);
    this.confirm({
      title: "Restart the session?",
      text: "Every variable and import is lost, for everyone here, and what is running or queued is stopped. Cells and their outputs stay.",
      action: "Restart",
      then: () => void this.#tell(() => this.#client.restart(session.uid)),
    });
  }

  /** A session that is dead has nothing to lose. */
  async startAnew(): Promise<void> {
    const session = this.store.state.notebook?.session;
    if (session) await this.#tell(() => this.#client.restart(session.uid));
  }

  /** @throws RpcError when nobody took it */
  tellWidget(...message: Parameters<Client["tellWidget"]>): Promise<unknown> {
    return this.#client.tellWidget(...message);
  }

  async answer(prompt: MessageId, value: string): Promise<void> {
    const session = this.store.state.notebook?.session;
    if (session) await this.#tell(() => this.#client.answer(session.uid, prompt, value));
  }

  /** What could stand at the cursor; null when nobody can tell. `cursor` counts UTF-16 units, as editors do. */
  async complete(code: string, cursor: number): Promise<{ from: number; to: number; matches: readonly { label: string; type: string }[] } | null> {
    const notebook = this.store.state.notebook;
    if (!notebook?.session || !may(notebook.worksheet.role, "run")) return null;
    try {
      const { matches, cursor_start, cursor_end, metadata } = await this.#client.complete(notebook.session.uid, code, points(code, cursor));
      const types = metadata._jupyter_types_experimental ?? [];
      return { from: units(code, cursor_start), to: units(code, cursor_end), matches: matches.map((label, at) => ({ label, type: types[at]?.type ?? "" })) };
    } catch (error) {
      if (error instanceof RpcError) return null;
      throw error;
    }
  }

  /** @param detail 1 asks for the source too */
  async inspect(code: string, cursor: number, detail: 0 | 1): Promise<Told> {
    const notebook = this.store.state.notebook;
    if (!notebook?.session) return { fault: "There is no session yet: the first run starts one." };
    if (!may(notebook.worksheet.role, "run")) return { fault: "Who may run code here can ask." };
    try {
      const { found, data } = await this.#client.inspect(notebook.session.uid, code, points(code, cursor), detail);
      const text = data["text/plain"];
      return found && typeof text === "string" ? { text } : { fault: "Nothing is known about what is at the cursor." };
    } catch (error) {
      if (error instanceof RpcError) return { fault: sentence(error) };
      throw error;
    }
  }

  // --- People ---------------------------------------------------------------------------------

  /** Whether it was done; if not, the dialog says why. */
  async setMember(account: string, role: Role): Promise<boolean> {
    const { notebook } = this.store.state;
    if (notebook === null) return false;
    return this.#inDialog(() => this.#client.setMember(notebook.worksheet.id, account.trim() as AccountName, role));
  }

  async removeMember(account: AccountName): Promise<void> {
    const { notebook } = this.store.state;
    if (notebook === null) return;
    await this.#inDialog(() => this.#client.removeMember(notebook.worksheet.id, account));
  }

  /** Open the dialog, with the worksheet's links. */
  async share(): Promise<void> {
    const { notebook } = this.store.state;
    if (notebook === null) return;
    this.openDialog({ kind: "share", links: null, url: null });
    await this.#inDialog(() => this.#showLinks(notebook.worksheet.id, null));
  }

  /** @param days how long it can be used, and @param uses how often; null without an end */
  async createLink(role: Role, days: number | null, uses: number | null): Promise<void> {
    const { notebook } = this.store.state;
    if (notebook === null) return;
    await this.#inDialog(async () => {
      const expires = days === null ? null : new Date(this.clock.now() + days * 86_400_000).toISOString();
      const { url } = await this.#client.createLink(notebook.worksheet.id, role, expires, uses);
      await this.#showLinks(notebook.worksheet.id, url);
    });
  }

  async revokeLink(link: LinkId): Promise<void> {
    const { notebook } = this.store.state;
    if (notebook === null) return;
    await this.#inDialog(async () => {
      await this.#client.revokeLink(notebook.worksheet.id, link);
      await this.#showLinks(notebook.worksheet.id, null);
    });
  }

  async #showLinks(worksheet: WorksheetId, url: string | null): Promise<void> {
    const links = await this.#client.links(worksheet);
    this.store.update((state) => (state.dialog?.kind === "share" ? { ...state, dialog: { kind: "share", links, url } } : state));
  }

  /** Give the worksheet to one of its members. */
  transfer(account: AccountName, name: string): void {
    const { notebook } = this.store.state;
    if (notebook === null) return;
    this.confirm({
      title: `Give the worksheet to ${name}?`,
      text: `${name} owns it from then on, and can take your rights in it away. You cannot take it back.`,
      action: "Give it away",
      then: () => void this.#tell(() => this.#client.transferWorksheet(notebook.worksheet.id, account)),
    });
  }

  async setPassword(password: string, current: string): Promise<void> {
    await this.#inDialog(async () => {
      await this.#client.setPassword(password, current === "" ? null : current);
      this.closeDialog();
      this.notify("Your password is set.", false);
    });
  }

  async createAccount(name: string, displayName: string): Promise<void> {
    await this.#inDialog(async () => {
      const { link } = await this.#client.createAccount(name.trim() as AccountName, displayName.trim());
      this.store.set({ dialog: { kind: "account", made: link } });
      if (this.store.state.route.page === "admin") await this.admin.load("accounts");
    });
  }

  // --- The page itself ------------------------------------------------------------------------

  openDialog(dialog: Dialog): void {
    this.store.set({ dialog, fault: null });
  }

  closeDialog(): void {
    this.store.set({ dialog: null, fault: null });
  }

  confirm(what: Omit<Extract<Dialog, { kind: "confirm" }>, "kind">): void {
    this.openDialog({ kind: "confirm", ...what });
  }

  prefer(preferences: Partial<Preferences>): void {
    this.store.set(preferences);
  }

  setTheme(theme: Theme): void {
    this.prefer({ theme });
  }

  /** One pane at a time stands beside the cells. */
  togglePane(pane: Pane): void {
    if (pane === "files" && this.store.state.pane !== pane) void this.files.look("");
    this.prefer({ pane: this.store.state.pane === pane ? null : pane });
  }

  async loadWhole(msgId: MessageId): Promise<Answer | null> {
    await this.#tell(async () => this.#follower?.loadWhole(msgId));
    return this.store.state.notebook?.answers.get(msgId) ?? null;
  }

  look(key: string, change: Partial<OutputLook>): void {
    this.store.update((state) => {
      const looks = new Map(state.looks);
      return { ...state, looks: looks.set(key, { ...(looks.get(key) ?? PLAIN_LOOK), ...change }) };
    });
  }

  notify(text: string, wrong = false, action: Notice["action"] = null): void {
    const key = ++this.#lastNotice;
    this.store.update((state) => ({ ...state, notices: [...state.notices, { key, text, wrong, action }].slice(-4) }));
    this.clock.later(action === null ? NOTICE_TIME : NOTICE_TIME_TO_ACT, () => this.dismiss(key));
  }

  dismiss(key: number): void {
    this.store.update((state) => ({ ...state, notices: state.notices.filter((notice) => notice.key !== key) }));
  }

  /** Let outputs of these people run their code here, in their frames. */
  trust(accounts: readonly AccountName[]): void {
    this.store.update((state) => ({ ...state, trusted: new Set([...state.trusted, ...accounts]) }));
  }

  /** Is there something that would be lost if the page were closed now? */
  get unsent(): boolean {
    const { notebook } = this.store.state;
    return notebook !== null && unsentEdits(notebook);
  }

  /** Returns when the state is as asked, or ten seconds later: then the log is late, and shows it when it comes. */
  #until(reached: (state: State) => boolean): Promise<void> {
    if (reached(this.store.state)) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = this.store.watch((state) => {
        if (reached(state)) finish();
      });
      const cancel = this.clock.later(10_000, () => finish());
      const finish = () => {
        stop();
        cancel();
        resolve();
      };
    });
  }

  async #inDialog(work: () => Promise<unknown>): Promise<boolean> {
    this.store.set({ fault: null });
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.store.set({ fault: sentence(error) });
      return false;
    }
  }

  async #tell(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.#report(error);
    }
  }

  #report(error: RpcError): void {
    const action = error.name === "SessionDead" ? { label: "Restart", then: () => this.restart() } : null;
    this.notify(sentence(error), true, action);
  }
}

function save(name: string, data: Blob): void {
  const url = URL.createObjectURL(data);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}

function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const retry = error instanceof RpcError ? error.data["retry_after"] : undefined;
  return typeof retry === "number" ? `${error.message} Try again in ${Math.ceil(retry)} seconds.` : error.message;
}

/** The server counts code points, JavaScript counts UTF-16 units. */
function points(text: string, unitsBefore: number): number {
  return [...text.slice(0, unitsBefore)].length;
}

function units(text: string, pointsBefore: number): number {
  return [...text].slice(0, pointsBefore).join("").length;
}
