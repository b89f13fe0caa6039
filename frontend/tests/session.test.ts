import { describe, expect, test } from "vitest";
import { Asking } from "../src/asking";
import { Bell, type Desk, type Rung } from "../src/bell";
import { apply, openNotebook, type Notebook } from "../src/notebook";
import { promptsOf } from "../src/prompts";
import type { AccountName, Publication, SessionUid, Use } from "../src/protocol";
import { START, type State } from "../src/state";
import { Store } from "../src/store";
import { meterOf, nearLimit } from "../src/usage";
import { advice } from "../src/views/session";
import { rungWords } from "../src/views/desk";
import { HandClock } from "./clock";
import { cell, publication, run, snapshot } from "./feed";

const ME = "ana" as AccountName;
const S = "s" as SessionUid;
const NO_LIMITS = { memory_bytes: 0, cpu_seconds: 0, run_seconds: 0, processes: 0, idle_seconds: 0 };

function use(fields: Partial<Use>): Use {
  return { memory_bytes: 100, cpu_seconds: 10, processes: 1, limits: NO_LIMITS, ...fields };
}

describe("the meter", () => {
  test("tells cores in use since the last answer, and begins anew after a restart", () => {
    const first = meterOf(null, S, use({ cpu_seconds: 10 }), 0);
    const second = meterOf(first, S, use({ cpu_seconds: 13 }), 2_000);
    expect([first.cores, second.cores]).toEqual([null, 1.5]);
    expect(meterOf(second, S, use({ cpu_seconds: 0.2 }), 4_000).cores).toBeNull();
  });

  test("says so when a limit is near", () => {
    const limits = { ...NO_LIMITS, memory_bytes: 1000 };
    expect(nearLimit(meterOf(null, S, use({ memory_bytes: 800, limits }), 0))).toBeNull();
    expect(nearLimit(meterOf(null, S, use({ memory_bytes: 900, limits }), 0))).toContain("memory");
  });
});

test.each([["out of memory: used 600 MiB, limit 512 MiB", "less at a time"], ["idle for 1 h", "nothing to do"], ["killed by SIGSEGV (segmentation fault)", "written in C"], ["killed by SIGKILL", ""]])("after “%s” it says what to do", (reason, words) => {
  expect(advice(reason)).toContain(words);
  expect(advice(reason) === "").toBe(words === "");
});

function publications(notebook: Notebook, ...publications: Publication[]): Notebook {
  return apply(notebook, { type: "publications", session: S, publications, latest: publications.at(-1)!.number, gone: null });
}

const opened = openNotebook(ME, snapshot({ cells: [cell("a", "input()"), cell("b", "x")], runs: [run("run-1", "a", { state: "running" })] }));

describe("prompts", () => {
  const cursor = opened.session!.feed.cursor;
  const asking = publications(
    opened,
    publication(cursor + 1, "status", { execution_state: "busy" }),
    publication(cursor + 2, "execute_input", { code: "input()", execution_count: 1 }),
    publication(cursor + 3, "input_request", { prompt: "Name? ", password: false }),
  );
  const answered = publications(asking, publication(cursor + 4, "input_answered", { prompt: promptsOf(asking)[0]!.prompt, username: "bob" }));

  test("stand open until somebody answers", () => {
    expect(promptsOf(opened)).toEqual([]);
    expect(promptsOf(asking).map(({ cell, text }) => [cell, text])).toEqual([["a", "Name? "]]);
    expect(promptsOf(answered)).toEqual([]);
  });

  test("that somebody else answered are told of", () => {
    const store = new Store<State>({ ...START });
    const told: string[] = [];
    new Asking(store, (text) => told.push(text));
    store.set({ notebook: asking });
    store.set({ notebook: answered });
    expect(told).toEqual(["bob answered what cell 1 asked."]);
  });
});

describe("the bell", () => {
  function bell(visible: boolean, wanted: State["bell"] = "on") {
    const clock = new HandClock();
    const rung: Rung[] = [];
    const desk: Desk = { visible: () => visible, ask: async () => "granted", tell: (one) => rung.push(one) };
    const store = new Store<State>({ ...START, bell: wanted });
    new Bell(store, clock, desk, () => undefined, () => undefined);
    return { clock, rung, store };
  }

  const ended = (state: "ok" | "error") =>
    apply(opened, { type: "entries", latest: opened.log.cursor + 1, entries: [{ kind: "run_ended", number: opened.log.cursor + 1, run: "run-1", state, reason: "", ended: "2026-11-21T09:30:00Z", execution_count: 1 } as never] });

  test("rings when a long run of one's own ends out of sight", () => {
    const { clock, rung, store } = bell(false);
    store.set({ notebook: opened });
    clock.forward(65_000);
    store.set({ notebook: ended("ok") });
    expect(rung).toHaveLength(1);
    expect(rungWords(rung[0]!)).toBe("Cell 1 done after 1 min 5 s");
    expect(store.state.unseen).toBe("done");
  });

  test("does not ring for what was short, is seen, or is somebody else's", () => {
    const others = { ...opened, me: "bob" as AccountName };
    const cases = [
      [bell(false), 5_000, opened, ended("ok")],
      [bell(true), 65_000, opened, ended("ok")],
      [bell(false), 65_000, others, { ...ended("ok"), me: "bob" as AccountName }],
    ] as const;
    for (const [{ clock, rung, store }, wait, before, after] of cases) {
      store.set({ notebook: before });
      clock.forward(wait);
      store.set({ notebook: after });
      expect([rung, store.state.unseen]).toEqual([[], null]);
    }
  });

  test("only the tab tells whoever does not want to be told", () => {
    const { clock, rung, store } = bell(false, "off");
    store.set({ notebook: opened });
    clock.forward(65_000);
    store.set({ notebook: ended("error") });
    expect([rung, store.state.unseen]).toEqual([[], "failed"]);
  });
});
