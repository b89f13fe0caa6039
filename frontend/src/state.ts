/** All that the page shows: one value, replaced and never edited. Pure; `store.ts` holds the current one. */

import type { Clip } from "./clips";
import type { Query, Spot } from "./finding";
import type { Folds } from "./folding";
import type { Notebook } from "./notebook";
import type { Account, AccountDetails, AccountName, AuditEntry, CellId, Deleted, FileEntry, KernelState, Link, ListedWorksheet, LiveSession, LoginLink, MessageId, Moment, Run, RunId, RunOutputs, ServerInfo, ServerLimits, Span, WorksheetId } from "./protocol";
import type { Connection } from "./transport";
import type { Deed } from "./steps";
import type { Meter } from "./usage";
import type { SlidePlace } from "./slides";
import { type CommentsView, NO_COMMENTS } from "./threads";
import { HOME, type HomeView } from "./worksheets";
import { NO_VARIABLES, type VariablesView } from "./variables";

export type Route =
  | { readonly page: "starting" }
  | { readonly page: "sign-in" }
  | { readonly page: "sign-up" }
  | { readonly page: "home" }
  | { readonly page: "admin"; readonly part: AdminPart }
  | { readonly page: "worksheet"; readonly id: WorksheetId };

export const ADMIN_PARTS = ["accounts", "sessions", "audit", "limits"] as const;
export type AdminPart = (typeof ADMIN_PARTS)[number];

/** What administrators see; null is not known yet. */
export interface AdminView {
  readonly accounts: readonly AccountDetails[] | null;
  readonly sessions: readonly LiveSession[] | null;
  readonly audit: { readonly entries: readonly AuditEntry[] | null; readonly more: boolean; readonly account: string; readonly act: string };
  readonly limits: ServerLimits | null;
}

export type Theme = "system" | "light" | "dark";

/** What stands beside the cells. */
export type Pane = "outline" | "variables" | "files" | "comments";

export interface FilesView {
  /** The directory that is looked at, below the session's; empty is that one. */
  readonly path: string;
  /** Null until they are known. */
  readonly entries: readonly FileEntry[] | null;
  readonly next: number | null;
  /** The last look found nothing out; a notice said why. */
  readonly failed: boolean;
  /** Whose name is being changed. */
  readonly renaming: string | null;
  readonly going: readonly { readonly name: string; readonly does: string; readonly done: number; readonly size: number }[];
}

/** What this person chose for every worksheet, remembered by this browser. */
export interface Preferences {
  readonly theme: Theme;
  readonly pane: Pane | null;
  readonly lineNumbers: boolean;
  /** Whether the browser tells when a long run ends: "ask" until this person said. */
  readonly bell: "ask" | "on" | "off";
}

export type Dialog =
  | { readonly kind: "keys" }
  /** `at` is the place of the chosen one among the commands that answer to the query. */
  | { readonly kind: "palette"; readonly query: string; readonly at: number }
  /** `links` is null until they are known; `url` is that of a new one, shown this once. */
  | { readonly kind: "share"; readonly links: readonly Link[] | null; readonly url: string | null }
  | { readonly kind: "password" }
  | { readonly kind: "account"; readonly made: LoginLink | null }
  | {
      readonly kind: "confirm";
      readonly title: string;
      readonly text: string;
      readonly action: string;
      readonly then: () => void;
    }
  | {
      readonly kind: "bin";
      /** Null while they are asked for. */
      readonly deleted: readonly Deleted[] | null;
      readonly more: boolean;
    }
  | {
      readonly kind: "runs";
      readonly cell: CellId;
      /** Newest first; null while they are asked for. */
      readonly runs: readonly Run[] | null;
      readonly more: boolean;
      /** At most two, the one chosen last at the end. */
      readonly chosen: readonly RunId[];
      readonly outputs: ReadonlyMap<RunId, RunOutputs>;
    }
  /** An address that is shown this once. */
  | { readonly kind: "secret"; readonly title: string; readonly text: string; readonly url: string }
  | { readonly kind: "rename"; readonly id: WorksheetId; readonly title: string };

/** A sentence that is shown for a while, with at most one thing to do about it. */
export interface Notice {
  readonly key: number;
  readonly text: string;
  readonly wrong: boolean;
  readonly action: { readonly label: string; readonly then: () => void } | null;
}

/** The history is looked at: one of its spans, and the cells before and after it. */
export interface Past {
  /** Those that changed cells, oldest first. */
  readonly spans: readonly Span[];
  /** There are earlier spans than the first. */
  readonly more: boolean;
  readonly at: number;
  /** Those of the span looked at before, until they come; null at first, and `before` where the log begins. */
  readonly before: Moment | null;
  readonly after: Moment | null;
}

/** How one viewer looks at one output. */
export interface OutputLook {
  /** It is long, and not folded. */
  readonly whole: boolean;
  /** The form chosen instead of the richest, a MIME type. */
  readonly form: string | null;
  /** It has the whole window to itself */
  readonly full: boolean;
}

export const PLAIN_LOOK: OutputLook = { whole: false, form: null, full: false };

/** The bar that finds and replaces in all cells. */
export interface FindView {
  readonly query: Query;
  readonly replacement: string;
  readonly replacing: boolean;
  /** One stands at the first hit from here on. */
  readonly spot: Spot | null;
  /** A hit was gone to; its place is counted. */
  readonly shown: boolean;
  /** Grows when the hit shall come before the eyes. */
  readonly jump: number;
  /** Grows when the bar was asked for: its field has the focus then. */
  readonly asked: number;
  /** What came of replacing; null once something else was done. */
  readonly told: string | null;
  /** Where one was before. */
  readonly from: { readonly current: CellId | null; readonly editing: boolean };
}

export const NO_FIND: FindView = {
  query: { text: "", exact: false, words: false, pattern: false, outputs: false },
  replacement: "",
  replacing: false,
  spot: null,
  shown: false,
  jump: 0,
  asked: 0,
  told: null,
  from: { current: null, editing: false },
};

export interface Arriving {
  readonly cell: CellId;
  /** Behind this one. */
  readonly after: CellId;
  readonly text: string;
}

export interface State extends Preferences {
  readonly route: Route;
  readonly account: Account | null;
  /** Who may make an account here; `invitation` is the secret that somebody came with. */
  readonly signup: ServerInfo["signup"];
  readonly invitation: string | null;
  /** There is a provider at which people sign in. */
  readonly oidc: boolean;
  readonly connection: Connection;
  /** As the server told last. It tells each new connection, so while there is one this is true. */
  readonly kernel: KernelState;
  readonly worksheets: readonly ListedWorksheet[] | null;
  readonly home: HomeView;
  readonly files: FilesView;
  readonly admin: AdminView;
  readonly notebook: Notebook | null;
  /** The cell that the keys speak to. */
  readonly current: CellId | null;
  /** The current cell's text is being edited; otherwise keys are commands. */
  readonly editing: boolean;
  /** The cell to bring before the eyes, once for each new value: it may be the current one, and out of sight. */
  readonly reveal: { readonly cell: CellId | null; readonly prompt?: MessageId } | null;
  /** A cell that was asked for, to be written into, and is not there yet; and what was typed for it meanwhile. */
  readonly arriving: Arriving | null;
  /** Cells whose run was asked for and is not in the log yet. */
  readonly asked: ReadonlySet<CellId>;
  /** People whose outputs may run code in their frames here. One's own may. */
  readonly trusted: ReadonlySet<AccountName>;
  /** How outputs are looked at here, by msg_id and key; those not named as everybody finds them. */
  readonly looks: ReadonlyMap<string, OutputLook>;
  /** Those selected with it, itself among them; empty when it is alone. */
  readonly selected: ReadonlySet<CellId>;
  /** Where the selection began; null when there is none. */
  readonly anchor: CellId | null;
  /** What was done in this window, and was undone, each as what undoes it again; the newest last. */
  readonly done: readonly Deed[];
  readonly undone: readonly Deed[];
  /** What is folded away or not here, where that is not as the cells say. */
  readonly folds: Folds;
  /** The bar that finds and replaces; null when it is closed. */
  readonly find: FindView | null;
  /** What was looked for last, also in other worksheets. */
  readonly lastQuery: Query;
  /** A few words for those who do not see what was done. */
  readonly said: string;
  /** Whose caret the page scrolls to. */
  readonly following: AccountName | null;
  /** The worksheet is shown to people: the slide, or one flow; with the code or without. */
  readonly presenting: { readonly place: SlidePlace; readonly flow: boolean; readonly code: boolean } | null;
  /** Instead of the worksheet as it is now. */
  readonly past: Past | null;
  /** The cells that were copied or cut last, wherever in this browser. */
  readonly clipboard: readonly Clip[] | null;
  readonly variables: VariablesView;
  readonly comments: CommentsView;
  /** The scratch cell: what is written in it, and the request that tried it last. */
  readonly scratch: { readonly open: boolean; readonly text: string; readonly msgId: MessageId | null };
  readonly meter: Meter | null;
  /** How a long run ended while nobody saw the page. */
  readonly unseen: "done" | "failed" | null;
  readonly dialog: Dialog | null;
  readonly notices: readonly Notice[];
  /** Why signing in, or what a dialog asked for, did not work. */
  readonly fault: string | null;
  /** Why the worksheet cannot be shown. */
  readonly closed: string | null;
  /** Milliseconds since 1970; moves once a second while something counts. */
  readonly now: number;
}

export const START: State = {
  route: { page: "starting" },
  account: null,
  signup: "closed",
  invitation: null,
  oidc: false,
  connection: { kind: "closed" },
  kernel: "ready",
  worksheets: null,
  home: HOME,
  files: { path: "", entries: null, next: null, failed: false, renaming: null, going: [] },
  admin: { accounts: null, sessions: null, audit: { entries: null, more: false, account: "", act: "" }, limits: null },
  notebook: null,
  current: null,
  editing: false,
  reveal: null,
  arriving: null,
  asked: new Set(),
  trusted: new Set(),
  looks: new Map(),
  selected: new Set(),
  anchor: null,
  done: [],
  undone: [],
  folds: new Map(),
  find: null,
  lastQuery: NO_FIND.query,
  said: "",
  following: null,
  presenting: null,
  past: null,
  theme: "system",
  pane: null,
  lineNumbers: false,
  bell: "ask",
  clipboard: null,
  variables: NO_VARIABLES,
  comments: NO_COMMENTS,
  scratch: { open: false, text: "", msgId: null },
  meter: null,
  unseen: null,
  dialog: null,
  notices: [],
  fault: null,
  closed: null,
  now: 0,
};

/** Which page an address names. */
export function routeOf(path: string): Route {
  const match = /^\/w\/([A-Za-z0-9_-]+)\/?$/.exec(path);
  if (match?.[1] !== undefined) return { page: "worksheet", id: match[1] as WorksheetId };
  const [, admin, part] = /^\/(admin)(?:\/([a-z]+))?\/?$/.exec(path) ?? [];
  if (admin === undefined) return { page: "home" };
  return { page: "admin", part: ADMIN_PARTS.find((each) => each === part) ?? "accounts" };
}

export function pathOf(route: Route): string {
  if (route.page === "admin") return route.part === "accounts" ? "/admin" : `/admin/${route.part}`;
  return route.page === "worksheet" ? `/w/${route.id}` : "/";
}
