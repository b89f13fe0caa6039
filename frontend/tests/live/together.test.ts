/**
 * Eight people typing into one cell of a real server, over a network that loses requests and answers.
 *
 * Run by `tests/e2e/test_together.py`, which starts the server and says where it is.
 */

import { ChangeSet } from "@codemirror/state";
import { describe, expect, test } from "vitest";
import { clientOf } from "../../src/client";
import { isClean } from "../../src/draft";
import { Editing } from "../../src/editing";
import { apply, type Notebook, openNotebook, textOf } from "../../src/notebook";
import type { AccountName, CellId, Reply, WorksheetId } from "../../src/protocol";
import { errorOf, type Rpc, RpcError } from "../../src/rpc";

const { ANTIPHON_URL: URL = "", ANTIPHON_TOKEN: TOKEN = "", ANTIPHON_WORKSHEET: WORKSHEET = "" } = process.env;
const PEOPLE = 8;
const KEYS = 40;
const A_DISCONNECTION = 0.25;

/** Seeded, so that what each person does is the same in every run; how they meet is the network's. */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** JSON-RPC over HTTP; some requests are lost before they arrive, some answers after. */
function flaky(random: () => number, network: { broken: boolean }): Rpc {
  let last = 0;
  return {
    call: async (method: string, params: Readonly<Record<string, unknown>>) => {
      const lost = network.broken ? random() : 1;
      if (lost < A_DISCONNECTION / 2) throw new RpcError("Disconnected", "The request was lost.");
      const response = await fetch(`${URL}/rpc`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` },
        body: JSON.stringify({ jsonrpc: "2.0", id: String(++last), method, params }),
      });
      const reply = (await response.json()) as Reply;
      if (lost < A_DISCONNECTION) throw new RpcError("Disconnected", "The answer was lost.");
      if (reply.error) throw errorOf(reply.error);
      return reply.result;
    },
  } as Rpc;
}

class Typist {
  notebook!: Notebook;
  readonly typed: string[] = [];
  readonly #client;
  readonly #editing: Editing;
  readonly #random;
  readonly network = { broken: true };

  constructor(readonly number: number) {
    this.#random = generator(1000 + number);
    this.#client = clientOf(flaky(this.#random, this.network));
    let edits = 0;
    this.#editing = new Editing(this.#client, { now: Date.now, random: Math.random, later: () => () => undefined }, {
      notebook: () => this.notebook,
      apply: (event) => (this.notebook = apply(this.notebook, event)),
      failed: () => undefined,
      newEdit: () => `edit-of-person-${number}-${String(edits++).padStart(6, "0")}`,
    });
  }

  get cell(): CellId {
    return this.notebook.cells[0]!.id;
  }

  get text(): string {
    return textOf(this.notebook, this.notebook.cells[0]!);
  }

  async open(): Promise<void> {
    const snapshot = await this.#again(() => this.#client.openWorksheet(WORKSHEET as WorksheetId));
    this.notebook = openNotebook("owner" as AccountName, snapshot);
  }

  /** Keys, each a character of its own, so that it can be found again; sometimes one of one's own is deleted. */
  async work(): Promise<void> {
    while (this.typed.length < KEYS) {
      const key = String.fromCodePoint(0x1f300 + this.number * KEYS + this.typed.length);
      this.typed.push(key);
      // At any place but between the two halves of another key.
      const characters = [...this.text];
      const at = characters.slice(0, Math.floor(this.#random() * (characters.length + 1))).join("").length;
      const change = ChangeSet.of({ from: at, insert: key }, this.text.length, "\n");
      this.notebook = apply(this.notebook, { type: "typed", cell: this.cell, change });
      if (this.#random() < 0.5) await this.#once(() => this.#editing.flush(this.cell));
      if (this.#random() < 0.3) await this.#once(() => this.read());
    }
  }

  async finish(): Promise<void> {
    this.network.broken = false;
    while (!isClean(this.notebook.drafts.get(this.cell) ?? CLEAN)) await this.#once(() => this.#editing.flush(this.cell));
  }

  async read(): Promise<void> {
    const { entries, latest } = await this.#client.entriesSince(WORKSHEET as WorksheetId, this.notebook.log.cursor);
    this.notebook = apply(this.notebook, { type: "entries", entries, latest });
  }

  /** What the network loses is tried again at another time; whoever is always too late, too. */
  async #once(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof RpcError) || !["Disconnected", "Conflict"].includes(error.name)) throw error;
    }
  }

  async #again<Result>(work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof RpcError) || error.name !== "Disconnected") throw error;
      }
    }
  }
}

const CLEAN = { version: 0, agreed: "", sent: null, pending: ChangeSet.empty(0), text: "" };

describe.skipIf(URL === "")("eight people at one cell", () => {
  test("end with the same text and lose no key", { timeout: 120_000 }, async () => {
    const people = Array.from({ length: PEOPLE }, (_, number) => new Typist(number));
    await Promise.all(people.map((typist) => typist.open()));
    await Promise.all(people.map((typist) => typist.work()));
    await Promise.all(people.map((typist) => typist.finish()));
    await Promise.all(people.map((typist) => typist.read()));

    const [first] = people;
    const text = first!.text;
    for (const typist of people) expect(typist.text).toBe(text);
    for (const key of people.flatMap((typist) => typist.typed)) expect(text.split(key), key).toHaveLength(2);
    expect(first!.notebook.cells[0]?.source).toBe(text);
  });
});
