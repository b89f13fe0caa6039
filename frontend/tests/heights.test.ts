import { expect, test } from "vitest";
import { Heights } from "../src/heights";

test("heights are summed up to a place, and a place is found by its distance", () => {
  const heights = new Heights([10, 20, 30, 40, 50]);
  expect([0, 1, 2, 3, 4, 5, 6].map((place) => heights.before(place))).toEqual([0, 10, 30, 60, 100, 150, 150]);
  expect([-5, 0, 9, 10, 29, 30, 99, 100, 149, 150, 9999].map((distance) => heights.at(distance))).toEqual([0, 0, 0, 1, 1, 2, 3, 4, 4, 4, 4]);
});

test("a height that changes moves what is below it, and nothing above", () => {
  const heights = new Heights([10, 20, 30, 40, 50]);
  heights.set(1, 120);
  expect([1, 2, 3, 5].map((place) => heights.before(place))).toEqual([10, 130, 160, 250]);
  expect([9, 10, 129, 130].map((distance) => heights.at(distance))).toEqual([0, 1, 1, 2]);
});

test("nothing is as tall as nothing", () => {
  const none = new Heights([]);
  expect([none.count, none.before(0), none.at(10)]).toEqual([0, 0, 0]);
});

test("it is the sum that it says, for any number of heights", () => {
  for (const count of [1, 2, 3, 7, 8, 9, 1000]) {
    const sizes = Array.from({ length: count }, (_, n) => 1 + ((n * 7919) % 97));
    const heights = new Heights(sizes);
    for (let n = 0; n < count; n += 3) heights.set(n, (sizes[n] = 5 + n));
    let sum = 0;
    for (let n = 0; n < count; n++) {
      expect(heights.before(n)).toBe(sum);
      expect(heights.at(sum)).toBe(n);
      sum += sizes[n]!;
      expect(heights.at(sum - 0.5)).toBe(n);
    }
  }
});
