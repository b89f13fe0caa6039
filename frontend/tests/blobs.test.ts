import { afterEach, expect, test, vi } from "vitest";
import { sourceOf, typesOf, urlOf, valueOf } from "../src/blobs";
import type { Blob } from "../src/protocol";

const DIGEST = "ab".repeat(32);

function blob(form: Blob["form"], type: string, digest = DIGEST): Blob {
  return { digest, bytes: 3, type, form };
}

afterEach(() => vi.unstubAllGlobals());

test("a value is in the bundle or at an address", () => {
  const bundle = { data: { "text/plain": "x", "text/html": null }, blobs: { "image/png": blob("base64", "image/png") } };
  expect(sourceOf(bundle, "text/plain")).toEqual({ kind: "inline", value: "x" });
  expect(sourceOf(bundle, "image/png")).toMatchObject({ kind: "blob", url: `/blob/${DIGEST}/image/png` });
  expect(sourceOf(bundle, "text/html")).toBeNull();
  expect(sourceOf(bundle, "image/gif")).toBeNull();
  expect(typesOf(bundle)).toEqual(["text/plain", "text/html", "image/png"]);
});

test("an address shows what is inline as well", () => {
  expect(urlOf({ kind: "inline", value: ["iVBO\n", "Rw0K"] }, "image/png")).toBe("data:image/png;base64,iVBORw0K");
  expect(urlOf({ kind: "inline", value: "<svg/>" }, "image/svg+xml")).toBe("data:image/svg+xml;charset=utf-8,%3Csvg%2F%3E");
  expect(urlOf({ kind: "blob", url: "/blob/x/image/png", bytes: 1, form: "base64" }, "image/png")).toBe("/blob/x/image/png");
});

test("what is at an address is fetched once, and then here at once", async () => {
  const fetched = vi.fn(async (_url: string) => new Response("<b>large</b>"));
  vi.stubGlobal("fetch", fetched);
  const source = sourceOf({ data: {}, blobs: { "text/html": blob("text", "text/html", "1".repeat(64)) } }, "text/html")!;
  const first = valueOf(source);
  expect(valueOf(source)).toBe(first);
  expect(await first).toBe("<b>large</b>");
  expect(valueOf(source)).toEqual({ value: "<b>large</b>" });
  expect(fetched).toHaveBeenCalledTimes(1);
});

test("a value comes back as it stood in JSON", async () => {
  vi.stubGlobal("fetch", async (url: string) => (url.endsWith("json") ? Response.json({ a: [1] }) : new Response(new Uint8Array([0, 255]))));
  expect(await valueOf({ kind: "blob", url: "/blob/2/application/json", bytes: 9, form: "json" })).toEqual({ a: [1] });
  expect(await valueOf({ kind: "blob", url: "/blob/2/image/png", bytes: 2, form: "base64" })).toBe("AP8=");
});

test("what the server does not give is asked for again", async () => {
  let status = 404;
  vi.stubGlobal("fetch", async () => new Response("x", { status }));
  const source = { kind: "blob", url: "/blob/3/text/plain", bytes: 1, form: "text" } as const;
  await expect(valueOf(source)).rejects.toThrow("does not give this output (404)");
  status = 200;
  expect(await valueOf(source)).toBe("x");
});
