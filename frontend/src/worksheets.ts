/** The list of worksheets as somebody looks at it: what is searched, chosen and sorted. Pure. */

import type { AccountName, ListedWorksheet, WorksheetId } from "./protocol";

export const GROUPS = ["all", "yours", "shared", "running"] as const;
export type Group = (typeof GROUPS)[number];

export const ORDERS = ["changed", "title", "owner"] as const;
export type Order = (typeof ORDERS)[number];

/** A file on its way to becoming a worksheet. `why` says what was wrong with it. */
export interface Import {
  readonly name: string;
  readonly step: "waits" | "goes" | "done" | "failed";
  readonly why: string;
  readonly id: WorksheetId | null;
}

export interface HomeView {
  readonly query: string;
  readonly group: Group;
  readonly order: Order;
  /** How many lines are drawn at most. */
  readonly shown: number;
  /** Lines of cells that hold what is searched; null while the server has not answered for this query. */
  readonly found: ReadonlyMap<WorksheetId, string> | null;
  readonly imports: readonly Import[];
}

/** Lines that one look brings: more than a screen has, fewer than are felt. */
export const LINES = 100;

export const HOME: HomeView = { query: "", group: "all", order: "changed", shown: LINES, found: null, imports: [] };

/** A part of the list under a head of its own; the head is empty where there is one part alone. */
export interface Section {
  readonly head: string;
  readonly worksheets: readonly ListedWorksheet[];
}

export interface Arranged {
  readonly sections: readonly Section[];
  readonly counts: Readonly<Record<Group, number>>;
  /** Of the chosen group, those that the query leaves; `sections` has the first `shown` of them. */
  readonly total: number;
}

const AT_WORK: ReadonlySet<string> = new Set(["starting", "busy", "interrupted", "restarting"]);

/** Code runs in it now. */
export function isRunning({ state }: ListedWorksheet): boolean {
  return state !== null && AT_WORK.has(state);
}

/** It has a session with variables in it, at work or not. */
export function isOpen(worksheet: ListedWorksheet): boolean {
  return isRunning(worksheet) || worksheet.state === "idle";
}

export function arrange(worksheets: readonly ListedWorksheet[], view: HomeView, me: AccountName | null, now: number): Arranged {
  const belongs: Readonly<Record<Group, (worksheet: ListedWorksheet) => boolean>> = {
    all: () => true,
    yours: ({ owner }) => owner === me,
    shared: ({ owner }) => owner !== me,
    running: isRunning,
  };
  const words = plain(view.query).split(/\s+/).filter((word) => word !== "");
  const matches = ({ id, title, owner }: ListedWorksheet) => {
    const text = plain(`${title} ${owner}`);
    return words.every((word) => text.includes(word)) || view.found?.has(id) === true;
  };
  const matching = worksheets.filter(matches);
  const counts = Object.fromEntries(GROUPS.map((group) => [group, matching.filter(belongs[group]).length])) as Record<Group, number>;
  const chosen = sorted(matching.filter(belongs[view.group]), view.order);
  const shown = chosen.slice(0, view.shown);
  return { sections: view.order === "changed" ? byTime(shown, now) : [{ head: "", worksheets: shown }], counts, total: chosen.length };
}

function sorted(worksheets: readonly ListedWorksheet[], order: Order): readonly ListedWorksheet[] {
  if (order === "changed") return worksheets.toSorted((one, other) => other.changed.localeCompare(one.changed));
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  return worksheets.toSorted((one, other) => compare(one[order], other[order]) || compare(one.title, other.title));
}

const DAY = 86_400_000;

function byTime(worksheets: readonly ListedWorksheet[], now: number): readonly Section[] {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const heads: readonly (readonly [string, number])[] = [
    ["Today", midnight],
    ["Yesterday", midnight - DAY],
    ["In the last seven days", midnight - 6 * DAY],
    ["In the last month", midnight - 30 * DAY],
    ["Before", -Infinity],
  ];
  const sections = new Map<string, ListedWorksheet[]>();
  for (const worksheet of worksheets) {
    const changed = Date.parse(worksheet.changed);
    const [head] = heads.find(([, since]) => changed >= since) ?? ["Before"];
    sections.set(head, [...(sections.get(head) ?? []), worksheet]);
  }
  return [...sections].map(([head, part]) => ({ head, worksheets: part }));
}

/** Without the differences that nobody types: case, accents. */
export function plain(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** What goes when it is deleted, as a sentence. */
export function lossOf(worksheet: ListedWorksheet): string {
  const { cells, members, state } = worksheet;
  const parts = [`${cells === 1 ? "Its cell goes" : `Its ${cells} cells go`} with all outputs and their whole history`];
  if (isRunning(worksheet)) parts.push("what runs in its session stops");
  else if (state === "idle") parts.push("the variables of its session go");
  const others = members - 1;
  const whom = others > 0 ? ` ${others === 1 ? "One other person has" : `${others} others have`} it too and will have it no more.` : "";
  return `${parts.join("; ")}.${whom} This cannot be undone: to keep it, export it first.`;
}
