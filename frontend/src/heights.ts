/**
 * How tall a row of things is up to each of them, when most of them were never measured.
 *
 * A Fenwick tree: to change one height, to sum those before a place, and to find the place at a distance take
 * the logarithm of their number. Source: P. Fenwick, *A new data structure for cumulative frequency tables*, 1994.
 */

export class Heights {
  readonly #heights: Float64Array;
  /** `#tree[n]` is the sum of the heights from n minus its lowest bit up to n; counted from 1. */
  readonly #tree: Float64Array;
  readonly #top: number;

  /** @param heights in CSS pixels */
  constructor(heights: ArrayLike<number>) {
    const count = heights.length;
    this.#heights = Float64Array.from(heights);
    this.#tree = new Float64Array(count + 1);
    this.#top = count === 0 ? 0 : 2 ** Math.floor(Math.log2(count));
    for (let n = 1; n <= count; n++) {
      this.#tree[n]! += this.#heights[n - 1]!;
      const above = n + (n & -n);
      if (above <= count) this.#tree[above]! += this.#tree[n]!;
    }
  }

  get count(): number {
    return this.#heights.length;
  }

  of(place: number): number {
    return this.#heights[place] ?? 0;
  }

  set(place: number, height: number): void {
    const by = height - this.of(place);
    this.#heights[place] = height;
    for (let n = place + 1; n <= this.count; n += n & -n) this.#tree[n]! += by;
  }

  /** The sum of the heights before a place; of all of them at `count`. */
  before(place: number): number {
    let sum = 0;
    for (let n = Math.min(place, this.count); n > 0; n -= n & -n) sum += this.#tree[n]!;
    return sum;
  }

  /** The place that stands at a distance from the top; the first or the last when it is outside. */
  at(distance: number): number {
    let place = 0;
    let left = distance;
    for (let step = this.#top; step > 0; step >>= 1) {
      const next = place + step;
      if (next > this.count || this.#tree[next]! > left) continue;
      place = next;
      left -= this.#tree[next]!;
    }
    return Math.max(0, Math.min(place, this.count - 1));
  }
}
