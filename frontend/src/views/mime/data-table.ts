/** `<data-table>`: rows and columns, sorted by a press on a head; of many rows only those in view are drawn. */

import { html, nothing, render, type TemplateResult } from "lit-html";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import { type Grid, type GridCell, type GridHead, isMissing, isNumeric, nextOrder, type Order, sorted } from "../../grid";

/** More rows than this scroll in a window of their own. */
const MANY = 60;
/** Rows drawn above and below those in view. */
const AROUND = 20;
/** A column is made as wide as its longest text, but no wider than so many characters. */
const WIDEST = 50;

export class DataTable extends HTMLElement {
  #grid: Grid | null = null;
  #order: Order | null = null;
  #rows: Grid["rows"] = [];
  #numeric: readonly boolean[] = [];
  #widths: readonly number[] = [];
  #rowHeight = 28;

  set grid(grid: Grid) {
    if (grid === this.#grid) return;
    this.#grid = grid;
    this.#order = null;
    this.#rows = grid.rows;
    const columns = Math.max(0, ...grid.rows.slice(0, 1000).map((row) => row.length));
    this.#numeric = Array.from({ length: columns }, (_, column) => isNumeric(grid, column));
    this.#widths = Array.from({ length: columns }, (_, column) => grid.rows.reduce((most, row) => Math.max(most, row[column]?.text.length ?? 0), 0));
    if (this.isConnected) this.#draw();
  }

  connectedCallback(): void {
    this.#draw();
    const row = this.querySelector<HTMLElement>("tbody tr:not(.room)");
    if (row !== null && row.offsetHeight > 0 && row.offsetHeight !== this.#rowHeight) {
      this.#rowHeight = row.offsetHeight;
      this.#draw();
    }
  }

  #sort(column: number): void {
    if (this.#grid === null) return;
    this.#order = nextOrder(this.#order, column);
    this.#rows = sorted(this.#grid, this.#order);
    this.#draw();
  }

  #draw(): void {
    const grid = this.#grid;
    if (grid === null) return;
    const many = this.#rows.length > MANY;
    const scroller = this.querySelector<HTMLElement>(".table-window");
    const first = many ? Math.max(0, Math.floor((scroller?.scrollTop ?? 0) / this.#rowHeight) - AROUND) : 0;
    const last = many ? Math.min(this.#rows.length, first + Math.ceil((scroller?.clientHeight || 600) / this.#rowHeight) + 2 * AROUND) : this.#rows.length;
    const room = (rows: number) => (rows <= 0 ? nothing : html`<tr class="room" aria-hidden="true"><td colspan=${this.#widths.length} style=${`height:${rows * this.#rowHeight}px`}></td></tr>`);
    render(
      html`<div class=${`table-window${many ? " many" : ""}`} tabindex="0" role="group" aria-label=${`Table, ${this.#rows.length.toLocaleString()} rows`} @scroll=${many ? () => this.#draw() : nothing}>
          <table aria-rowcount=${many ? this.#rows.length + grid.heads.length : nothing}>
            <thead>
              ${grid.heads.map((line) => html`<tr>${line.map((head) => this.#head(head))}</tr>`)}
            </thead>
            <tbody>
              ${room(first)}
              ${this.#rows.slice(first, last).map((row, index) => this.#row(row, first + index, index === 0))} ${room(this.#rows.length - last)}
            </tbody>
          </table>
        </div>
        ${grid.notes.map((note) => html`<p class="table-note">${note}</p>`)}`,
      this,
    );
  }

  #head({ text, columns, rows, sorts }: GridHead): TemplateResult {
    const order = sorts !== null && this.#order?.column === sorts ? (this.#order.down ? "descending" : "ascending") : null;
    const span = (count: number) => (count > 1 ? count : nothing);
    if (sorts === null) return html`<th colspan=${span(columns)} rowspan=${span(rows)} scope=${columns > 1 ? "colgroup" : "col"}>${text}</th>`;
    const number = this.#numeric[sorts] === true;
    const width = `min-width:${Math.min(WIDEST, Math.max(this.#widths[sorts] ?? 0, text.length + 1))}ch`;
    return html`<th rowspan=${span(rows)} scope="col" class=${number ? "number" : nothing} aria-sort=${order ?? "none"}>
      <button style=${width} aria-label=${text === "" ? "Sort by the names of the rows" : nothing} title="Sort" @click=${() => this.#sort(sorts)}>
        <span>${text}</span><span class="arrow" aria-hidden="true">${order === "ascending" ? "↑" : order === "descending" ? "↓" : ""}</span>
      </button>
    </th>`;
  }

  #row(row: readonly GridCell[], index: number, first: boolean): TemplateResult {
    return html`<tr aria-rowindex=${this.#rows.length > MANY ? index + 1 + (this.#grid?.heads.length ?? 0) : nothing}>
      ${row.map((cell, column) => {
        // In the order they came in, a name is said once for the rows that it names.
        const shown = cell.again && this.#order === null && !first ? html`<span class="unseen">${cell.text}</span>` : cell.markup === null ? cell.text : unsafeHTML(cell.markup);
        const classes = `${this.#numeric[column] === true ? "number" : ""}${isMissing(cell.text) && cell.text !== "" ? " missing" : ""}`;
        return cell.head ? html`<th scope="row" class=${classes}>${shown}</th>` : html`<td class=${classes}>${shown}</td>`;
      })}
    </tr>`;
  }
}

customElements.define("data-table", DataTable);
