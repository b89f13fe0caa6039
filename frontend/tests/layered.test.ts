import { expect, test } from "vitest";
import { Layered } from "../src/layered";

test("what is replaced leaves the map before as it was", () => {
  const before = Layered.over(new Map([["a", 1], ["b", 2]]));
  const after = before.with("a", 3).with("c", 4);
  expect([...before]).toEqual([["a", 1], ["b", 2]]);
  expect([...after]).toEqual([["a", 3], ["b", 2], ["c", 4]]);
  expect([before.size, after.size]).toEqual([2, 3]);
});

test("it is as a Map is, in its order, however many keys are written", () => {
  let layered = Layered.over(new Map<number, number>());
  const map = new Map<number, number>();
  for (let n = 0; n < 500; n++) {
    const key = (n * 31) % 137;
    layered = layered.with(key, n);
    map.set(key, n);
  }
  expect([...layered]).toEqual([...map]);
  expect([...layered.keys()]).toEqual([...map.keys()]);
  expect([...layered.values()]).toEqual([...map.values()]);
  expect(layered.size).toBe(map.size);
  expect([layered.get(5), layered.get(999), layered.has(5), layered.has(999)]).toEqual([map.get(5), undefined, true, false]);
});
