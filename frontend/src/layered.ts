/**
 * An immutable map that is cheap to replace at the same few keys again and again.
 *
 * Output of a run replaces one answer of thousands, many times a second: to copy them all each time would make a
 * long worksheet slow. So the keys written last lie in a small layer over the others, and only that is copied.
 * The order is that of a `Map`: by when a key came first.
 */

/** Keys in the upper layer before it is merged down. */
const LAYER = 32;

export class Layered<Key, Value> implements ReadonlyMap<Key, Value> {
  readonly #below: ReadonlyMap<Key, Value>;
  readonly #above: ReadonlyMap<Key, Value>;
  readonly size: number;

  private constructor(below: ReadonlyMap<Key, Value>, above: ReadonlyMap<Key, Value>, size: number) {
    this.#below = below;
    this.#above = above;
    this.size = size;
  }

  /** The entries of a map, which must not be written to any more. */
  static over<Key, Value>(map: ReadonlyMap<Key, Value>): Layered<Key, Value> {
    return map instanceof Layered ? map : new Layered(map, new Map(), map.size);
  }

  with(key: Key, value: Value): Layered<Key, Value> {
    const above = new Map(this.#above).set(key, value);
    const size = this.size + (this.has(key) ? 0 : 1);
    if (above.size <= LAYER) return new Layered(this.#below, above, size);
    const merged = new Map(this.#below);
    for (const [one, its] of above) merged.set(one, its);
    return new Layered(merged, new Map(), size);
  }

  get(key: Key): Value | undefined {
    return this.#above.has(key) ? this.#above.get(key) : this.#below.get(key);
  }

  has(key: Key): boolean {
    return this.#above.has(key) || this.#below.has(key);
  }

  *entries(): MapIterator<[Key, Value]> {
    for (const [key, value] of this.#below) yield [key, this.#above.has(key) ? (this.#above.get(key) as Value) : value];
    for (const entry of this.#above) if (!this.#below.has(entry[0])) yield entry;
  }

  *keys(): MapIterator<Key> {
    yield* this.#below.keys();
    for (const key of this.#above.keys()) if (!this.#below.has(key)) yield key;
  }

  *values(): MapIterator<Value> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries();
  }

  forEach(each: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this.entries()) each(value, key, this);
  }
}
