/** `<long-text>`: a long text whole, of which only the rows in view are drawn, and a search through all of it. */

import { html, nothing, render, type TemplateResult } from "lit-html";
import { parts, styled, type Styled } from "../../ansi";
import { MATCHES, matchesOf, rowAt, type Row, rowsOf } from "../../lines";
import { icon } from "../marks";
import { part } from "./text";

/** Rows drawn above and below those in view, so that a turn of the wheel does not show a gap. */
const AROUND = 30;
/** So few are drawn at once, for the browser's own search to find them too. */
const FEW = 1000;

export class LongText extends HTMLElement {
  #text = "";
  #styled: Styled = styled("");
  #rows: readonly Row[] = [];
  #columns = 80;
  #lineHeight = 22;
  #wanted = "";
  #matches: readonly number[] = [];
  /** Which of the matches is shown; -1 for none. */
  #match = -1;
  readonly #resized = new ResizeObserver(() => this.#measure());

  set text(text: string) {
    if (text === this.#text) return;
    this.#text = text;
    this.#styled = styled(text);
    this.#lay();
    this.#find(this.#wanted, false);
  }

  connectedCallback(): void {
    this.#draw();
    this.#resized.observe(this);
  }

  disconnectedCallback(): void {
    this.#resized.disconnect();
  }

  get #scroller(): HTMLElement | null {
    return this.querySelector(".long-rows");
  }

  /** How many characters go in a row, by the width of a digit as it is drawn here. */
  #measure(): void {
    const [scroller, probe] = [this.#scroller, this.querySelector(".long-probe")];
    if (scroller === null || probe === null) return;
    const { width, height } = probe.getBoundingClientRect();
    if (width === 0) return;
    const columns = Math.max(20, Math.floor(scroller.clientWidth / (width / 10)));
    if (columns === this.#columns && height === this.#lineHeight) return;
    const top = this.#rows[Math.floor(scroller.scrollTop / this.#lineHeight)]?.from ?? 0;
    this.#columns = columns;
    this.#lineHeight = height;
    this.#lay();
    scroller.scrollTop = rowAt(this.#rows, top) * height;
    this.#draw();
  }

  #lay(): void {
    this.#rows = rowsOf(this.#styled.plain, this.#columns);
    if (this.isConnected) this.#draw();
  }

  #find(wanted: string, jump = true): void {
    this.#wanted = wanted;
    this.#matches = matchesOf(this.#styled.plain, wanted);
    this.#match = this.#matches.length === 0 ? -1 : Math.max(0, Math.min(this.#match, this.#matches.length - 1));
    if (jump) {
      const top = this.#rows[Math.floor((this.#scroller?.scrollTop ?? 0) / this.#lineHeight)]?.from ?? 0;
      const next = this.#matches.findIndex((at) => at >= top);
      this.#match = this.#matches.length === 0 ? -1 : Math.max(0, next);
      this.#reveal();
    }
    if (this.isConnected) this.#draw();
  }

  #step(by: number): void {
    if (this.#matches.length === 0) return;
    this.#match = (this.#match + by + this.#matches.length) % this.#matches.length;
    this.#reveal();
    this.#draw();
  }

  #reveal(): void {
    const [scroller, at] = [this.#scroller, this.#matches[this.#match]];
    if (scroller === null || at === undefined) return;
    const top = rowAt(this.#rows, at) * this.#lineHeight;
    const inView = top >= scroller.scrollTop && top + this.#lineHeight <= scroller.scrollTop + scroller.clientHeight;
    if (!inView) scroller.scrollTop = top - scroller.clientHeight / 3;
  }

  #draw(): void {
    const scroller = this.#scroller;
    const height = this.#lineHeight;
    const all = this.#rows.length <= FEW;
    const first = all ? 0 : Math.max(0, Math.floor((scroller?.scrollTop ?? 0) / height) - AROUND);
    const last = all ? this.#rows.length : Math.min(this.#rows.length, first + Math.ceil((scroller?.clientHeight || 600) / height) + 2 * AROUND);
    render(
      html`${this.#search()}
        <div class="long-rows" tabindex="0" role="group" aria-label=${`Whole output, ${this.#rows.length.toLocaleString()} rows`} @scroll=${() => this.#draw()}>
          <div class="long-room" style=${`height:${this.#rows.length * height}px`}>
            <pre style=${`top:${first * height}px`}>${this.#rows.slice(first, last).map((row) => this.#row(row))}</pre>
          </div>
          <pre class="long-probe" aria-hidden="true">0000000000</pre>
        </div>`,
      this,
    );
  }

  /** Where a line was broken for its width it reads on without a line feed. */
  #row({ from, to }: Row): TemplateResult {
    const end = this.#styled.plain[to] === "\n" || to === this.#styled.plain.length ? "\n" : nothing;
    const length = this.#wanted.length;
    const pieces: TemplateResult[] = [];
    let at = from;
    for (let index = this.#firstMatch(from - length + 1); index < this.#matches.length && this.#matches[index]! < to; index++) {
      const [start, stop] = [Math.max(from, this.#matches[index]!), Math.min(to, this.#matches[index]! + length)];
      if (stop <= start) continue;
      pieces.push(...parts(this.#styled, at, start).map(part));
      pieces.push(html`<mark class=${index === this.#match ? "now" : nothing}>${this.#styled.plain.slice(start, stop)}</mark>`);
      at = stop;
    }
    pieces.push(...parts(this.#styled, at, to).map(part));
    return html`<span class="long-row">${pieces}${end}</span>`;
  }

  #firstMatch(offset: number): number {
    let [low, high] = [0, this.#matches.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#matches[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #search(): TemplateResult {
    const found = this.#matches.length;
    const count = found === MATCHES ? `more than ${MATCHES.toLocaleString()}` : found.toLocaleString();
    const said = this.#wanted === "" ? "" : found === 0 ? "not found" : `${(this.#match + 1).toLocaleString()} of ${count}`;
    const keys = (event: KeyboardEvent) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.#step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && this.#wanted !== "") {
        event.preventDefault();
        event.stopPropagation();
        (event.target as HTMLInputElement).value = "";
        this.#find("");
      }
    };
    return html`<div class="long-search" role="search">
      <input type="search" aria-label="Search in this output" placeholder="Search in this output" spellcheck="false" autocomplete="off"
        @input=${(event: Event) => this.#find((event.target as HTMLInputElement).value)} @keydown=${keys} />
      <button aria-label="Previous place" title="Previous (Shift+Enter)" ?disabled=${found === 0} @click=${() => this.#step(-1)}>${icon("up")}</button>
      <button aria-label="Next place" title="Next (Enter)" ?disabled=${found === 0} @click=${() => this.#step(1)}>${icon("down")}</button>
      <span class="quiet" role="status">${said}</span>
    </div>`;
  }
}

customElements.define("long-text", LongText);
