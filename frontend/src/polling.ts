/**
 * The transport without a WebSocket: calls are posted, and news are asked for by requests that wait for them.
 *
 * A browser has six connections to one host for all its windows, and outputs need some of them: at most two polls
 * (of the worksheet and of the feed that were subscribed last) and two calls are under way, and now and then a
 * short question whether the kernel can be reached. Subscribing is answered here. Who is here and where they write
 * is left out: both are told to be nobody.
 */

import { type Call, type KernelState, readFrame, type Reply, type ServerInfo } from "./protocol";
import { type Clock, type Connection, type Listener, systemClock, type Transport, waitAfter } from "./transport";

/** Post one JSON-RPC text. Rejects when no answer came, or one that says the server was not reached. */
export type Post = (text: string, signal: AbortSignal) => Promise<string>;

/** Seconds that the server waits for news: less than what proxies allow a silent request. */
const WAIT = 20;
/** Milliseconds. A request that brings nothing for so long, beyond what it was told to wait, means a dead connection. */
const PATIENCE = 35_000;
/** Between two polls when everything was read: what comes in many small pieces comes together. */
const PAUSE = 200;
/** Between two looks at whether the kernel is there, and whether this is still somebody. */
const LOOK = 15_000;
/** Items in one answer; the server's limit. */
const PAGE = 1000;

/** What is polled for: the name of its id, and of what it is made. */
const LOGS = {
  worksheet: { id: "worksheet", items: "entries" },
  feed: { id: "session", items: "publications" },
} as const;
type Log = keyof typeof LOGS;

interface Poll {
  readonly of: string;
  readonly control: AbortController;
}

/** Calls of one lane go one after another, so that they arrive in the order in which they were made. */
interface Lane {
  readonly waiting: string[];
  busy: boolean;
}

const emptyLane = (): Lane => ({ waiting: [], busy: false });

export class PollingTransport implements Transport {
  #listener: Listener | null = null;
  #state: Connection = { kind: "closed" };
  #attempt = 0;
  #kernel: KernelState | null = null;
  #cancel: () => void = () => {};
  readonly #requests = new Set<AbortController>();
  readonly #polls = new Map<Log, Poll>();
  /** What the kernel answers may take long, and must not hold up what is written. */
  #kernelLane = emptyLane();
  #lane = emptyLane();

  constructor(
    private readonly post: Post,
    private readonly clock: Clock = systemClock,
  ) {}

  open(listener: Listener): void {
    this.#listener = listener;
    this.#try();
  }

  send(text: string): boolean {
    if (this.#state.kind !== "connected") return false;
    const { id, method, params } = JSON.parse(text) as Call;
    switch (method) {
      case "worksheet.subscribe":
      case "feed.subscribe":
        this.#answer({ id, result: null });
        this.#subscribe(method === "feed.subscribe" ? "feed" : "worksheet", params);
        break;
      case "worksheet.unsubscribe":
      case "feed.unsubscribe":
        this.#unsubscribe(method === "feed.unsubscribe" ? "feed" : "worksheet", params);
        this.#answer({ id, result: null });
        break;
      case "worksheet.caret": {
        const data = { name: "NotOnThisTransport" };
        this.#answer({ id, error: { code: -32010, message: "Carets need the WebSocket.", data } });
        break;
      }
      default: {
        const lane = method.startsWith("session.") ? this.#kernelLane : this.#lane;
        lane.waiting.push(text);
        if (!lane.busy) void this.#work(lane);
      }
    }
    return true;
  }

  retryNow(): void {
    if (this.#state.kind === "waiting") this.#try();
  }

  close(): void {
    this.#drop();
    this.#tell({ kind: "closed" });
    this.#listener = null;
  }

  // --- The connection: that the server answers, and knows who asks ------------------------------

  #try(): void {
    this.#drop();
    this.#tell({ kind: "connecting" });
    void this.#look();
  }

  async #look(): Promise<void> {
    const reply = await this.#ask("server.info", {});
    if (reply === null) return;
    const info = (reply.result ?? null) as ServerInfo | null;
    if (info === null || info.signed_in === null) return this.#lost();
    if (this.#state.kind !== "connected") {
      this.#kernel = null;
      this.#tell({ kind: "connected", polling: true });
    } else this.#attempt = 0;
    if (info.kernel !== this.#kernel) {
      this.#kernel = info.kernel;
      this.#notify("server.kernel", { kernel: info.kernel });
    }
    this.#cancel = this.clock.later(LOOK, () => void this.#look());
  }

  #lost(): void {
    this.#drop();
    const wait = waitAfter(this.#attempt, this.clock);
    this.#attempt++;
    this.#cancel = this.clock.later(wait, () => this.#try());
    this.#tell({ kind: "waiting", attempt: this.#attempt, until: this.clock.now() + wait });
  }

  #drop(): void {
    this.#cancel();
    for (const { control } of this.#polls.values()) control.abort();
    for (const control of this.#requests) control.abort();
    this.#polls.clear();
    this.#requests.clear();
    for (const lane of [this.#lane, this.#kernelLane]) lane.waiting.length = 0;
    this.#lane = emptyLane();
    this.#kernelLane = emptyLane();
  }

  // --- Requests ---------------------------------------------------------------------------------

  async #work(lane: Lane): Promise<void> {
    lane.busy = true;
    for (let text = lane.waiting.shift(); text !== undefined; text = lane.waiting.shift()) {
      const answer = await this.#request(text, new AbortController());
      if (answer !== null) this.#listener?.received(answer);
    }
    lane.busy = false;
  }

  /** A call of our own. @returns null when its answer does not matter any more */
  async #ask(method: string, params: Call["params"], control = new AbortController()): Promise<Reply | null> {
    const call: Call = { jsonrpc: "2.0", id: "poll", method, params };
    const answer = await this.#request(JSON.stringify(call), control);
    if (answer === null) return null;
    const frame = readFrame(answer);
    if (frame?.kind === "reply") return frame.reply;
    this.#lost();
    return null;
  }

  async #request(text: string, control: AbortController): Promise<string | null> {
    this.#requests.add(control);
    const cancel = this.clock.later(PATIENCE, () => control.signal.aborted || this.#lost());
    try {
      const answer = await this.post(text, control.signal);
      return control.signal.aborted ? null : answer;
    } catch {
      if (!control.signal.aborted) this.#lost();
      return null;
    } finally {
      cancel();
      this.#requests.delete(control);
    }
  }

  // --- Subscriptions ----------------------------------------------------------------------------

  #subscribe(log: Log, params: Call["params"]): void {
    this.#polls.get(log)?.control.abort();
    const poll = { of: params[LOGS[log].id] as string, control: new AbortController() };
    this.#polls.set(log, poll);
    if (log === "worksheet") {
      this.#notify("worksheet.presence", { worksheet: poll.of, people: [], more: 0 });
      this.#notify("worksheet.carets", { worksheet: poll.of, carets: [] });
    }
    void this.#follow(log, poll, params["cursor"] as number);
  }

  #unsubscribe(log: Log, params: Call["params"]): void {
    const poll = this.#polls.get(log);
    if (poll?.of !== params[LOGS[log].id]) return;
    this.#polls.delete(log);
    poll?.control.abort();
  }

  async #follow(log: Log, { of, control }: Poll, cursor: number): Promise<void> {
    const { id, items } = LOGS[log];
    while (!control.signal.aborted) {
      const reply = await this.#ask(`${log}.since`, { [id]: of, cursor, limit: PAGE, wait: WAIT }, control);
      if (reply === null) return;
      if (reply.error !== undefined) return this.#refused(log, of, reply.error);
      this.#attempt = 0;
      const page = reply.result as Readonly<Record<typeof items, readonly { readonly number: number }[]>> & { readonly latest: number };
      const last = page[items].at(-1)?.number ?? cursor;
      if (last > cursor) this.#notify(`${log}.${items}`, { [id]: of, ...page });
      // Nothing new: an answer that came at once, whoever gave it, must not make this spin.
      if (last <= cursor || last >= page.latest) await new Promise<void>((then) => this.clock.later(PAUSE, then));
      cursor = Math.max(cursor, last);
    }
  }

  /** The right is gone, or what it was for; anything else may pass. */
  #refused(log: Log, of: string, { message, data }: NonNullable<Reply["error"]>): void {
    if (data?.["name"] !== "NotFound" && data?.["name"] !== "RoleTooLow") return this.#lost();
    this.#polls.delete(log);
    if (log === "worksheet") this.#notify("worksheet.closed", { worksheet: of, reason: message });
  }

  #answer(reply: Reply): void {
    this.#listener?.received(JSON.stringify({ jsonrpc: "2.0", ...reply }));
  }

  #notify(method: string, params: Readonly<Record<string, unknown>>): void {
    this.#listener?.received(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  #tell(state: Connection): void {
    this.#state = state;
    this.#listener?.connection(state);
  }
}
