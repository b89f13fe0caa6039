/** All that the page shows: one value, replaced and never edited. Pure; `store.ts` holds the current one. */

import type { Notebook } from "./notebook";
import type { Account, Cell, CellId, KernelState, WorksheetId, Worksheet, Link, LoginLink } from "./protocol";
import type { Connection } from "./transport";

export type Route =
  | { readonly page: "starting" }
  | { readonly page: "sign-in" }
  | { readonly page: "home" }
  | { readonly page: "worksheet"; readonly id: WorksheetId };

export type Theme = "system" | "light" | "dark";

export type Dialog =
  | { readonly kind: "keys" }
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
  | { readonly kind: "rename"; readonly id: WorksheetId; readonly title: string }
  | { readonly kind: "inspection"; readonly text: string };

/** A sentence that is shown for a while, with at most one thing to do about it. */
export interface Notice {
  readonly key: number;
  readonly text: string;
  readonly wrong: boolean;
  readonly action: { readonly label: string; readonly then: () => void } | null;
}

/** A cell that was deleted in this window, and where it stood. */
export interface Deleted {
  readonly cell: Cell;
  readonly after: CellId | null;
}

export interface State {
  readonly route: Route;
  readonly account: Account | null;
  readonly connection: Connection;
  /** As the server told last. It tells each new connection, so while there is one this is true. */
  readonly kernel: KernelState;
  readonly worksheets: readonly Worksheet[] | null;
  readonly notebook: Notebook | null;
  /** The cell that the keys speak to. */
  readonly current: CellId | null;
  /** The current cell's text is being edited; otherwise keys are commands. */
  readonly editing: boolean;
  /** Cells whose run was asked for and is not in the log yet. */
  readonly asked: ReadonlySet<CellId>;
  /** Long outputs that are shown whole, by msg_id and key. */
  readonly unfolded: ReadonlySet<string>;
  readonly bin: readonly Deleted[];
  readonly theme: Theme;
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
  connection: { kind: "closed" },
  kernel: "ready",
  worksheets: null,
  notebook: null,
  current: null,
  editing: false,
  asked: new Set(),
  unfolded: new Set(),
  bin: [],
  theme: "system",
  dialog: null,
  notices: [],
  fault: null,
  closed: null,
  now: 0,
};

/** Which page an address names. */
export function routeOf(path: string): Route {
  const match = /^\/w\/([A-Za-z0-9_-]+)\/?$/.exec(path);
  return match?.[1] === undefined ? { page: "home" } : { page: "worksheet", id: match[1] as WorksheetId };
}

export function pathOf(route: Route): string {
  return route.page === "worksheet" ? `/w/${route.id}` : "/";
}
