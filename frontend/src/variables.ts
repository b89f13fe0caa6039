/** The session's variables as this page knows them: what was told last, what changed by it, and how somebody looks at it. Pure. */

import type { SessionUid, Variable, VariableDetails, Variables } from "./protocol";

export type SortBy = "name" | "type" | "shape" | "size";

export interface VariablesView {
  readonly session: SessionUid | null;
  /** What was told last; null before that. */
  readonly told: Variables | null;
  /** The search for which it was told: empty unless there are more than one answer holds. */
  readonly search: string;
  /** Names that are new or changed since they were told before; what a person sees of a run. */
  readonly changed: ReadonlySet<string>;
  /** Why they cannot be told. */
  readonly fault: string | null;
  readonly query: string;
  readonly sort: SortBy;
  readonly falling: boolean;
  /** The one that the arrows speak to. */
  readonly at: string | null;
  /** The one that is opened; `details` are null until they come. */
  readonly open: { readonly name: string; readonly start: number; readonly details: VariableDetails | null } | null;
}

export const NO_VARIABLES: VariablesView = {
  session: null,
  told: null,
  search: "",
  changed: new Set(),
  fault: null,
  query: "",
  sort: "name",
  falling: false,
  at: null,
  open: null,
};

/** Learn what the session tells now. Another session's variables are no change of these. */
export function learn(view: VariablesView, session: SessionUid, search: string, told: Variables): VariablesView {
  const before = view.session === session && view.search === search ? view.told : null;
  const changed = before === null ? [] : differences(before.variables, told.variables);
  const open = view.session === session ? view.open : null;
  const keeps = view.session === session && changed.length === 0;
  return { ...view, session, told, search, fault: null, open, changed: keeps ? view.changed : new Set(changed) };
}

function differences(before: readonly Variable[], now: readonly Variable[]): readonly string[] {
  const known = new Map(before.map((variable) => [variable.name, signature(variable)]));
  return now.filter((variable) => known.get(variable.name) !== signature(variable)).map(({ name }) => name);
}

function signature({ id, type, shape, size_bytes, preview }: Variable): string {
  return JSON.stringify([id, type, shape, size_bytes, preview]);
}

/** Those that answer to the query by name or type, in the order that was chosen. */
export function shownVariables({ told, query, sort, falling }: VariablesView): readonly Variable[] {
  const wanted = query.trim().toLowerCase();
  const found = (told?.variables ?? []).filter(({ name, type }) => name.toLowerCase().includes(wanted) || type.toLowerCase().includes(wanted));
  const sign = falling ? -1 : 1;
  return found.toSorted((a, b) => sign * compare(a, b, sort) || a.name.localeCompare(b.name));
}

function compare(a: Variable, b: Variable, by: SortBy): number {
  switch (by) {
    case "name":
      return a.name.localeCompare(b.name);
    case "type":
      return a.type.localeCompare(b.type);
    case "shape":
      return count(a) - count(b);
    case "size":
      return (a.size_bytes ?? -1) - (b.size_bytes ?? -1);
  }
}

function count({ shape }: Variable): number {
  return shape === null ? -1 : shape.reduce((product, length) => product * length, 1);
}
