/** The bar that finds and replaces: where it stands, and what its buttons do. */

import type { Changing } from "./changing";
import { expressionOf, findIn, type Found, type Hit, hitAt, hitBeside, type Query, replacedIn } from "./finding";
import { placesOf } from "./folding";
import { may, textOf } from "./notebook";
import type { Cell, CellId } from "./protocol";
import type { Selecting } from "./selecting";
import { NO_FIND, type State } from "./state";
import type { Rewritten } from "./steps";
import type { Store } from "./store";

export interface FinderHost {
  readonly changing: Changing;
  readonly selecting: Selecting;
  choose(cell: CellId | null, editing?: boolean): void;
}

const NOTHING: Found = { hits: [], more: false };

/** What the bar shows: all that is found, and which of it one stands at, -1 for none. */
export interface Finding extends Found {
  readonly expression: RegExp | null;
  readonly fault: string | null;
  readonly at: number;
}

let last: { readonly query: Query; readonly drafts: unknown; readonly cells: unknown; readonly answers: unknown; readonly found: Found; readonly expression: RegExp | null; readonly fault: string | null } | null = null;

/** Searched again only when something of it is another. */
export function findingOf({ find, notebook }: Pick<State, "find" | "notebook">): Finding | null {
  if (find === null || notebook === null) return null;
  const { query } = find;
  const answers = query.outputs ? notebook.answers : null;
  if (last?.query !== query || last.drafts !== notebook.drafts || last.cells !== notebook.cells || last.answers !== answers) {
    const meant = last?.query === query ? (last.expression ?? (last.fault === null ? null : { fault: last.fault })) : expressionOf(query);
    const expression = meant instanceof RegExp ? meant : null;
    const fault = meant === null || meant instanceof RegExp ? null : meant.fault;
    const found = expression === null ? NOTHING : findIn(notebook, expression, query.outputs);
    last = { query, drafts: notebook.drafts, cells: notebook.cells, answers, found, expression, fault };
  }
  const { found, expression, fault } = last;
  return { ...found, expression, fault, at: hitAt(found.hits, find.spot, placesOf(notebook.cells)) };
}

export class Finder {
  /** Where the cursor is or was last. */
  #caret: { readonly cell: CellId; readonly head: number } | null = null;

  constructor(
    private readonly store: Store<State>,
    private readonly host: FinderHost,
  ) {}

  moved(cell: CellId, head: number): void {
    this.#caret = { cell, head };
  }

  /** @param text to look for at once, such as what is selected */
  open(replacing: boolean, text = ""): void {
    const { find, current, editing, notebook } = this.store.state;
    if (notebook === null) return;
    const mayReplace = may(notebook.worksheet.role, "edit");
    const before = find ?? { ...NO_FIND, from: { current, editing }, query: this.store.state.lastQuery };
    const spot = find?.spot ?? (current === null ? null : { cell: current, where: "source" as const, from: this.#caret?.cell === current ? Math.max(0, this.#caret.head - text.length) : 0 });
    const query = text === "" || text.includes("\n") ? before.query : { ...before.query, text, pattern: false };
    this.store.set({ find: { ...before, query, spot, replacing: mayReplace && (replacing || before.replacing), asked: before.asked + 1 } });
    if (query.text !== "") this.#show();
  }

  /** Back to where one was when the bar was opened. */
  close(): void {
    const { find, notebook } = this.store.state;
    if (find === null) return;
    const there = notebook?.cells.some(({ id }) => id === find.from.current) ?? false;
    this.store.set({ find: null, lastQuery: find.query });
    if (there) this.host.choose(find.from.current, find.from.editing);
  }

  /** Close it, and write where the hit is: the editor selects it. */
  take(): Hit | null {
    const hit = this.#hit();
    const { find } = this.store.state;
    if (hit === null || find === null) {
      this.close();
      return null;
    }
    this.store.set({ find: null, lastQuery: find.query });
    this.host.choose(hit.cell, hit.where === "source");
    return hit;
  }

  ask(change: Partial<Query>): void {
    const { find } = this.store.state;
    if (find === null) return;
    this.store.set({ find: { ...find, query: { ...find.query, ...change }, told: null } });
    this.#show();
  }

  write(replacement: string): void {
    const { find } = this.store.state;
    if (find !== null) this.store.set({ find: { ...find, replacement, told: null } });
  }

  showReplace(replacing: boolean): void {
    const { find } = this.store.state;
    if (find !== null) this.store.set({ find: { ...find, replacing } });
  }

  go(by: 1 | -1): void {
    const finding = findingOf(this.store.state);
    const { find, notebook } = this.store.state;
    if (finding === null || find === null || notebook === null) return;
    // The hit that is shown first is the one to which one has not gone yet.
    const hit = find.shown || by === -1 ? hitBeside(finding.hits, finding.at, by) : finding.hits[finding.at];
    if (hit) this.#goTo(hit);
  }

  async replaceOne(): Promise<void> {
    const { find, notebook } = this.store.state;
    const hit = this.#hit();
    const { expression } = findingOf(this.store.state) ?? {};
    if (find === null || notebook === null || hit === null || !expression || !may(notebook.worksheet.role, "edit")) return;
    if (hit.where === "outputs") return this.go(1);
    const cell = notebook.cells.find(({ id }) => id === hit.cell);
    if (cell === undefined) return;
    const before = textOf(notebook, cell);
    const { text, end, count } = replacedIn(before, expression, find.replacement, find.query.pattern, hit.from);
    if (count === 0) return;
    await this.host.changing.do("replace", [], [{ cell: cell.id, before, after: text }]);
    const now = this.store.state.find;
    if (now === null) return;
    // On behind what was written, or what is found in it would be replaced for ever.
    this.store.set({ find: { ...now, spot: { ...hit, from: end }, told: null } });
    this.#show();
  }

  /** Everything at once, and back by one step; outputs are what was printed, and stay. */
  async replaceAll(): Promise<void> {
    const { find, notebook } = this.store.state;
    const { expression } = findingOf(this.store.state) ?? {};
    if (find === null || notebook === null || !expression || !may(notebook.worksheet.role, "edit")) return;
    let places = 0;
    const texts = notebook.cells.flatMap((cell: Cell): readonly Rewritten[] => {
      const before = textOf(notebook, cell);
      const { text, count } = replacedIn(before, expression, find.replacement, find.query.pattern);
      places += count;
      return count === 0 ? [] : [{ cell: cell.id, before, after: text }];
    });
    if (texts.length === 0) return this.#tell("There is nothing to replace.");
    await this.host.changing.do(`replace ${places} in ${texts.length} cells`, [], texts);
    this.#tell(`Replaced ${places.toLocaleString()} in ${texts.length === 1 ? "one cell" : `${texts.length.toLocaleString()} cells`}.`);
  }

  #tell(told: string): void {
    const { find } = this.store.state;
    if (find !== null) this.store.set({ find: { ...find, told } });
  }

  #hit(): Hit | null {
    const finding = findingOf(this.store.state);
    return finding?.hits[finding.at] ?? null;
  }

  #show(): void {
    const hit = this.#hit();
    if (hit !== null) return this.#goTo(hit, false);
    const { find } = this.store.state;
    if (find?.shown) this.store.set({ find: { ...find, shown: false } });
  }

  /** @param moves the place from which one looks on; while one types the query it stays */
  #goTo(hit: Hit, moves = true): void {
    const { find } = this.store.state;
    if (find === null) return;
    this.host.selecting.unfold(hit.cell, "section", hit.where === "source" ? "code" : "outputs");
    // It is drawn then, wherever it stands.
    if (this.store.state.current !== hit.cell) this.host.choose(hit.cell);
    const spot = moves ? { cell: hit.cell, where: hit.where, from: hit.from } : find.spot;
    this.store.set({ find: { ...find, spot, shown: true, jump: find.jump + 1, told: null } });
  }
}
