import { expect, test } from "vitest";
import type { Client } from "../src/client";
import { FilesActions } from "../src/files";
import { START, type State } from "../src/state";
import { Store } from "../src/store";

function opened(server: Partial<Client>): { store: Store<State>; files: FilesActions; saved: Blob[]; faults: unknown[] } {
  const notebook = { worksheet: { id: "w" }, session: { uid: "s" } } as unknown as State["notebook"];
  const store = new Store<State>({ ...START, notebook });
  const saved: Blob[] = [];
  const faults: unknown[] = [];
  const files = new FilesActions(store, { files: async () => ({ entries: [], total: 0, next: null }), ...server } as Client, {
    tell: (work) => work().then(() => undefined, (error: unknown) => void faults.push(error)),
    confirm: () => undefined,
    newId: () => "upload-0123456789",
    save: (_, data) => saved.push(data),
  });
  return { store, files, saved, faults };
}

test("a file goes up in parts, the last of which ends it, and an empty one in one", async () => {
  const sent: (readonly [string, number, number, boolean])[] = [];
  const writeFile = async (_: string, path: string, __: string, offset: number, data: string, end: boolean) => {
    sent.push([path, offset, atob(data).length, end]);
    return { size: 0 };
  };
  const { store, files } = opened({ writeFile });
  await files.upload([new File([new Uint8Array(600_000)], "a"), new File([], "b")]);
  expect(sent).toEqual([
    ["a", 0, 524_288, false],
    ["a", 524_288, 75_712, true],
    ["b", 0, 0, true],
  ]);
  expect(store.state.files.going).toEqual([]);
});

test("a file comes down whole", async () => {
  const text = "0123456789";
  const readFile = async (_: string, __: string, offset: number) => ({ size: 10, version: "1", data: btoa(text.slice(offset, offset + 4)) });
  const { files, saved } = opened({ readFile });
  await files.download("a");
  expect(await saved[0]?.text()).toBe(text);
});

test("parts of two versions are no file", async () => {
  const readFile = async (_: string, __: string, offset: number) => ({ size: 8, version: `${offset}`, data: btoa("1234") });
  const { files, saved, faults } = opened({ readFile });
  await files.download("a");
  expect(saved).toEqual([]);
  expect(String(faults[0])).toContain("was changed while it was read");
});
