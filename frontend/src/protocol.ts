/**
 * The types that cross the wire between the page and the web server, and nothing else.
 *
 * They mirror `webserver/antiphon_webserver/model.py`; `spec/message_spec.rst`, part *JSON-RPC*,
 * describes them. Times are ISO 8601 strings in UTC, ids are opaque strings.
 */

/** An id of its own type, so that a cell's id cannot be handed over as a worksheet's. */
type Id<Name extends string> = string & { readonly __id: Name };

export type AccountName = Id<"account">;
export type WorksheetId = Id<"worksheet">;
export type CellId = Id<"cell">;
export type LinkId = Id<"link">;
export type CommentId = Id<"comment">;
export type RunId = Id<"run">;
export type SessionUid = Id<"session">;
export type MessageId = Id<"message">;

/** From the least right to the most; each includes the ones before it. */
export const ROLES = ["observe", "answer", "run", "edit", "own"] as const;
export type Role = (typeof ROLES)[number];

export type CellType = "code" | "markdown";

/** `queued` and `running` are open; each of the others is final. */
export type RunState = "queued" | "running" | "ok" | "error" | "interrupted" | "cancelled" | "died" | "lost";

export interface Account {
  readonly name: AccountName;
  readonly display_name: string;
  readonly admin: boolean;
  /** Came by the link of a worksheet, without an account. */
  readonly visitor: boolean;
}

/** An account as an administrator sees it. */
export interface AccountDetails extends Account {
  readonly created: string;
  readonly disabled: boolean;
  readonly signins: number;
  readonly tokens: number;
  readonly worksheets: number;
}

/** Whose a session is and what it does, not what it holds. */
export interface LiveSession {
  readonly uid: SessionUid;
  readonly owner: AccountName;
  readonly state: string;
  readonly created: string;
  /** The number of its last publication. */
  readonly latest: number;
}

/** Something that was done or refused, `count` times within a second or so. */
export interface AuditEntry {
  readonly number: number;
  readonly date: string;
  readonly account: string;
  readonly address: string;
  readonly act: string;
  readonly subject: Readonly<Record<string, string>>;
  /** "ok" or the name of the error. */
  readonly outcome: string;
  readonly count: number;
}

export interface ServerLimits {
  readonly limits: Readonly<Record<string, number>>;
  /** Those that are settings; 0 is none. */
  readonly settings: Readonly<Record<string, number>>;
  readonly signup: ServerInfo["signup"];
  readonly attempts: number;
  readonly attempt_seconds: number;
  readonly audit_entries: number;
}

export interface Member {
  readonly account: AccountName;
  readonly display_name: string;
  readonly role: Role;
  /** By which it came, and with which it goes; null for a member by name. */
  readonly link: LinkId | null;
}

/** A right in a worksheet for whoever has the link's secret. */
export interface Link {
  readonly id: LinkId;
  readonly role: Role;
  readonly author: AccountName;
  readonly created: string;
  readonly expires: string | null;
  /** How many came by it, and how many may. */
  readonly uses: number;
  readonly most_uses: number | null;
}

export interface Worksheet {
  readonly id: WorksheetId;
  readonly title: string;
  readonly owner: AccountName;
  /** The caller's. */
  readonly role: Role;
  readonly created: string;
  readonly changed: string;
  /** Null before the first run. */
  readonly session: SessionUid | null;
}

/** What is said about a cell, as in a notebook file: tags, what is hidden, what other programs note. */
export type Metadata = Readonly<Record<string, unknown>>;

/** One of the things that `worksheet.change` does. Source: spec, *worksheet.change*. */
export type Step =
  | { readonly do: "create"; readonly cell: CellId; readonly after: CellId | null; readonly type: CellType; readonly source: string; readonly metadata: Metadata }
  | { readonly do: "delete" | "restore"; readonly cell: CellId }
  | { readonly do: "move"; readonly cell: CellId; readonly after: CellId | null }
  | { readonly do: "convert"; readonly cell: CellId; readonly type: CellType }
  | { readonly do: "annotate"; readonly cell: CellId; readonly patch: Metadata };

/** A worksheet as the list has it. */
export interface ListedWorksheet extends Worksheet {
  /** Of its session, as last heard; null where there is none. */
  readonly state: string | null;
  readonly cells: number;
  readonly members: number;
  /** The line of a cell that holds what was searched. */
  readonly found: string;
}

export interface Cell {
  readonly id: CellId;
  readonly type: CellType;
  readonly source: string;
  /** Counts the edits of `source`; an edit names the version that it changes. */
  readonly version: number;
  readonly metadata: Metadata;
}

/** A cell, and what became of its newest run. */
export interface ShownCell extends Cell {
  /** Its text is not what was run any more. */
  readonly edited: boolean;
  /** What it reads was run or changed since. */
  readonly outdated: boolean;
  /** It was run in a namespace that is no more. */
  readonly ended: boolean;
}

/** Which cells one request runs. */
export type Which = "all" | "above" | "below" | "selected" | "stale";

export interface Run {
  readonly id: RunId;
  readonly worksheet: WorksheetId;
  /** Null for code that was run beside the cells, from a terminal. */
  readonly cell: CellId | null;
  readonly session: SessionUid;
  readonly msg_id: MessageId;
  readonly account: AccountName;
  readonly code: string;
  readonly state: RunState;
  readonly reason: string;
  readonly execution_count: number;
  /** What one person tries; nobody else is shown what comes of it. */
  readonly scratch: boolean;
  readonly created: string;
  readonly started: string | null;
  readonly ended: string | null;
}

export type MimeBundle = Readonly<Record<string, unknown>>;

/** Bytes that the server has at `/blob/<digest>/<type>`; `form` says how they stood in JSON. */
export interface Blob {
  readonly digest: string;
  readonly bytes: number;
  readonly type: string;
  readonly form: "base64" | "text" | "json";
}

interface Numbered<Type extends string, Content> {
  /** The place in the session's feed, from 1, without gaps. */
  readonly number: number;
  readonly msg_id: MessageId;
  readonly msg_type: Type;
  /** The msg_id of the request that this answers; empty when nobody asked. */
  readonly parent: MessageId;
  readonly username: string;
  readonly date: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly content: Content;
  /** What was taken out of `content.data`, by MIME type. */
  readonly blobs?: Readonly<Record<string, Blob>>;
  readonly buffers?: readonly Blob[];
}

export type ExecutionState = "starting" | "busy" | "interrupted" | "idle" | "restarting" | "dead" | "closed";

interface Display {
  readonly data: MimeBundle;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly transient?: { readonly display_id?: string };
}

export interface WidgetBuffer {
  readonly path: readonly (string | number)[];
  readonly blob: Blob;
}

/** The newest states of a session's widgets by comm_id, in a snapshot. */
export interface WidgetStates {
  readonly models: Readonly<Record<string, { readonly state: Readonly<Record<string, unknown>>; readonly buffers: readonly WidgetBuffer[] }>>;
  readonly capturing: Readonly<Record<MessageId, readonly string[]>>;
}

interface CommData {
  readonly comm_id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a session's feed carries. */
export type Publication =
  | Numbered<"queued", { readonly place: number }>
  | Numbered<"status", { readonly execution_state: ExecutionState; readonly reason?: string }>
  | Numbered<"execute_input", { readonly code: string; readonly execution_count: number }>
  | Numbered<"stream", { readonly name: "stdout" | "stderr"; readonly text: string }>
  | Numbered<"display_data", Display>
  | Numbered<"update_display_data", Display>
  | Numbered<"execute_result", Display & { readonly execution_count: number }>
  | Numbered<"error", { readonly ename: string; readonly evalue: string; readonly traceback: readonly string[] }>
  | Numbered<"clear_output", { readonly wait: boolean }>
  | Numbered<"comm_open", CommData & { readonly target_name: string }>
  | Numbered<"comm_msg", CommData>
  | Numbered<"comm_close", CommData>
  | Numbered<"input_request", { readonly prompt: string; readonly password: boolean }>
  | Numbered<"input_answered", { readonly prompt: MessageId; readonly username: string }>
  | Numbered<
      "execute_reply",
      {
        readonly status: "ok" | "error";
        readonly execution_count: number;
        readonly ename?: string;
        readonly evalue?: string;
        /** What the code asks of the page beside its outputs. */
        readonly payload?: readonly { readonly source?: unknown; readonly data?: unknown }[];
      }
    >;

/** What somebody says, in Markdown; of a deleted one there is no text. `number` is its entry's. */
export interface Comment {
  readonly id: CommentId;
  readonly number: number;
  readonly author: AccountName;
  readonly created: string;
  readonly text: string;
  readonly edited: string | null;
  readonly deleted: boolean;
}

/** Comments about a cell, or about a range of its text, which read `quote` at first. Its id is that of the first one. */
export interface Thread {
  readonly id: CommentId;
  readonly cell: CellId;
  readonly range: readonly [number, number] | null;
  readonly quote: string;
  readonly resolved: boolean;
  readonly comments: readonly Comment[];
}

interface Logged<Kind extends string> {
  /** The place in the worksheet's log, from 1, without gaps. */
  readonly number: number;
  readonly kind: Kind;
  readonly author: AccountName;
  readonly date: string;
}

/** A change set of a text: kept, and deleted with the lines inserted there. As `ChangeSet.toJSON` writes it. */
export type Changes = readonly (number | readonly [number, ...string[]])[];

/** What a worksheet's log carries. */
export type Entry =
  | (Logged<"cell_created"> & { readonly cell: Cell; readonly after: CellId | null })
  | (Logged<"cell_edited"> & { readonly cell: CellId; readonly version: number; readonly changes: Changes; readonly edit: string; readonly source?: string | null; readonly edited: boolean })
  | Logged<"merged">
  | (Logged<"cell_converted"> & { readonly cell: CellId; readonly type: CellType })
  | (Logged<"cell_annotated"> & { readonly cell: CellId; readonly metadata: Metadata })
  | (Logged<"cell_moved"> & { readonly cell: CellId; readonly after: CellId | null })
  | (Logged<"cell_deleted"> & { readonly cell: CellId })
  | (Logged<"comment_created"> & {
      readonly comment: CommentId;
      readonly thread: CommentId;
      readonly cell: CellId;
      readonly range: readonly [number, number] | null;
      readonly version: number;
      readonly quote: string;
      readonly text: string;
    })
  | (Logged<"comment_edited" | "comment_restored"> & { readonly comment: CommentId; readonly thread: CommentId; readonly text: string })
  | (Logged<"comment_deleted"> & { readonly comment: CommentId; readonly thread: CommentId })
  | (Logged<"thread_resolved"> & { readonly thread: CommentId; readonly resolved: boolean })
  | (Logged<"cells_marked"> & { readonly outdated: readonly CellId[]; readonly current: readonly CellId[] })
  | (Logged<"outputs_cleared"> & { readonly cells: readonly CellId[]; readonly bytes: number })
  | (Logged<"worksheet_restored"> & { readonly to: number })
  | (Logged<"worksheet_renamed"> & { readonly title: string })
  | (Logged<"member_set"> & { readonly member: Member })
  | (Logged<"member_removed"> & { readonly account: AccountName })
  | (Logged<"link_created"> & { readonly link: Link })
  | (Logged<"link_ended"> & { readonly link: LinkId; readonly reason: string })
  | (Logged<"owner_changed"> & { readonly owner: Member })
  | (Logged<"session_opened"> & { readonly session: SessionUid })
  | (Logged<"run_created"> & { readonly run: Run })
  | (Logged<"run_ended"> & {
      readonly run: RunId;
      readonly state: RunState;
      readonly reason: string;
      readonly execution_count: number;
      readonly ended: string;
    });

export interface Session {
  readonly uid: SessionUid;
  readonly title: string;
  readonly owner: AccountName;
  readonly worksheet: WorksheetId | null;
  readonly state: ExecutionState | "lost";
  readonly reason: string;
  readonly latest: number;
  readonly created: string;
}

/** A worksheet at (`cursor` of its log, `session.cursor` of its feed); the rest comes by cursor. */
export interface Snapshot {
  readonly worksheet: Worksheet;
  readonly cells: readonly ShownCell[];
  readonly members: readonly Member[];
  /** The newest run of each cell. */
  readonly runs: readonly Run[];
  readonly outputs: Readonly<Record<RunId, readonly Publication[]>>;
  /** How many publications of a run are left out of `outputs`, between its first and its last; runs that are there whole are not named. */
  readonly omitted: Readonly<Record<RunId, number>>;
  readonly cursor: number;
  readonly session: { readonly uid: SessionUid; readonly cursor: number } | null;
  /** Those of deleted cells too. */
  readonly threads: readonly Thread[];
  /** Up to which number of the log this person has read a thread. */
  readonly read: Readonly<Record<CommentId, number>>;
  /** By session; a server without widgets has none. */
  readonly widgets?: Readonly<Record<SessionUid, WidgetStates>>;
}

export interface Entries {
  readonly entries: readonly Entry[];
  readonly latest: number;
}

export interface Publications {
  readonly publications: readonly Publication[];
  readonly latest: number;
  /** First and last number that nobody holds any more. */
  readonly gone: readonly [number, number] | null;
}

/** The cells as they were after entry `number`, which `author` made at `date`. */
export interface Moment {
  readonly number: number;
  readonly author: AccountName;
  readonly date: string;
  readonly cells: readonly Cell[];
}

/** Entries `first` to `last` of the log, made without a pause. */
export interface Span {
  readonly first: number;
  readonly last: number;
  readonly began: string;
  readonly ended: string;
  readonly authors: readonly AccountName[];
  /** How many entries there are of each kind. */
  readonly kinds: Readonly<Partial<Record<Entry["kind"], number>>>;
  readonly cells: readonly CellId[];
}

/** Newest first; `more`: there are earlier ones. So are the next two. */
export interface History {
  readonly spans: readonly Span[];
  readonly more: boolean;
}

export interface Deleted {
  readonly cell: Cell;
  readonly after: CellId | null;
  readonly number: number;
  readonly author: AccountName;
  readonly date: string;
}

export interface Bin {
  readonly deleted: readonly Deleted[];
  readonly more: boolean;
}

export interface Runs {
  readonly runs: readonly Run[];
  readonly more: boolean;
}

/** `omitted` is how many publications came before these. */
export interface RunOutputs {
  readonly publications: readonly Publication[];
  /** The number of the first publication of them, 0 if there is none. */
  readonly first: number;
  /** How many came before it. */
  readonly omitted: number;
}

/** Where somebody writes; the positions are for the cell's text of `version`. */
export interface Caret {
  readonly window: number;
  readonly account: AccountName;
  readonly cell: CellId;
  readonly version: number;
  readonly anchor: number;
  readonly head: number;
}

/** Somebody who has the worksheet open. */
export interface Person {
  readonly account: AccountName;
  readonly display_name: string;
  readonly windows: number;
}

export interface LoginLink {
  readonly url: string;
  readonly account: AccountName;
  readonly expires: string;
}

/** Whether the kernel can be reached. */
export type KernelState = "ready" | "starting" | "gone";

export interface ServerInfo {
  readonly version: string;
  readonly edition: string;
  readonly kernel: KernelState;
  /** Who may make an account: nobody but an admin, who was invited, anybody. */
  readonly signup: "closed" | "invite" | "open";
  /** People can sign in at an OpenID provider. */
  readonly oidc: boolean;
  readonly signed_in: Account | null;
}

export interface Completion {
  readonly matches: readonly string[];
  /** Both count Unicode code points. */
  readonly cursor_start: number;
  readonly cursor_end: number;
  /** In the order of the matches, from kernels that know. */
  readonly metadata: { readonly _jupyter_types_experimental?: readonly { readonly type: string }[] };
}

export interface Inspection {
  readonly found: boolean;
  readonly data: MimeBundle;
}

/** What a session uses now, and may; 0 is no limit. */
export interface Use {
  readonly memory_bytes: number;
  readonly cpu_seconds: number;
  readonly processes: number;
  readonly limits: { readonly memory_bytes: number; readonly cpu_seconds: number; readonly run_seconds: number; readonly processes: number; readonly idle_seconds: number };
}

/** `use` is null where the session is over. */
export interface SessionDetails extends Session {
  readonly use: Use | null;
}

/** What can be told of a value without running any code of its session. */
export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly module: string;
  readonly shape: readonly number[] | null;
  readonly size_bytes: number | null;
  readonly preview: string;
  /** Another one after the name was bound to another object. */
  readonly id: number;
}

export interface Variables {
  /** False for a session of another kernel. */
  readonly known: boolean;
  readonly variables: readonly Variable[];
  readonly total: number;
  /** Where those begin that did not fit. */
  readonly next: number | null;
}

export interface VariableDetails {
  readonly variable: Variable | null;
  readonly text: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly string[])[];
  readonly total: number;
  readonly width: number;
}

/** What the server tells without being asked. */
export type Notification =
  | { readonly method: "server.kernel"; readonly params: { readonly kernel: KernelState } }
  | { readonly method: "feed.publications"; readonly params: Publications & { readonly session: SessionUid } }
  | { readonly method: "worksheet.entries"; readonly params: Entries & { readonly worksheet: WorksheetId } }
  | {
      readonly method: "worksheet.presence";
      readonly params: { readonly worksheet: WorksheetId; readonly people: readonly Person[]; readonly more: number };
    }
  | {
      readonly method: "worksheet.carets";
      readonly params: { readonly worksheet: WorksheetId; readonly carets: readonly Caret[] };
    }
  | {
      readonly method: "worksheet.closed";
      readonly params: { readonly worksheet: WorksheetId; readonly reason: string };
    };

export interface Reply {
  readonly id: string;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Readonly<Record<string, unknown>> };
}

/** What the page receives. */
export type Incoming = { readonly kind: "reply"; readonly reply: Reply } | { readonly kind: "notification"; readonly notification: Notification };

/** What the page sends. */
export interface Call {
  readonly jsonrpc: "2.0";
  readonly id: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

const NOTIFICATIONS = new Set<string>([
  "server.kernel",
  "feed.publications",
  "worksheet.entries",
  "worksheet.presence",
  "worksheet.carets",
  "worksheet.closed",
] satisfies Notification["method"][]);

/**
 * Read one text frame. The server is trusted to send what the specification says, so only the frame
 * is checked here; a method that this page does not know is skipped, because a newer server may have it.
 *
 * @returns null for a frame that is not for this page
 */
export function readFrame(text: string): Incoming | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const frame = value as Record<string, unknown>;
  if (typeof frame["method"] === "string") {
    if (!NOTIFICATIONS.has(frame["method"]) || typeof frame["params"] !== "object") return null;
    return { kind: "notification", notification: frame as unknown as Notification };
  }
  if (typeof frame["id"] === "string") return { kind: "reply", reply: frame as unknown as Reply };
  return null;
}

export type FileFormat = "ipynb" | "py" | "md" | "html";

/** A worksheet as a file. */
/** What a directory of a session holds; `size` in bytes. */
export interface FileEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "link" | "other";
  readonly size: number;
  readonly changed: string;
}

export interface Exported {
  readonly filename: string;
  readonly media_type: string;
  readonly text: string;
}
