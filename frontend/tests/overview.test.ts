import { expect, test } from "vitest";
import { apply, type Notebook, openNotebook } from "../src/notebook";
import { overviewOf, sessionHolds, workState } from "../src/overview";
import type { AccountName, MessageId, Publication, SessionUid } from "../src/protocol";
import { run, runOf, snapshot, stream } from "./feed";

const S = "s" as SessionUid;

function heard(notebook: Notebook, publications: readonly Publication[]): Notebook {
  return apply(notebook, { type: "publications", session: S, publications, latest: 0, gone: null });
}

const begun = runOf(1, "run-1", "1", ["a\n"]).slice(0, -2);

test("a line that is printed changes nothing at a glance, an end does", () => {
  const opened = openNotebook("ana" as AccountName, snapshot({ runs: [run("run-1", "a"), run("run-2", "b")] }));
  const running = heard(opened, begun);
  expect(overviewOf(running).open).toEqual(["a", "b"]);
  expect([...overviewOf(running).kinds.values()]).toEqual(["running", "queued"]);
  const printed = heard(running, [stream(begun.length + 1, "more\n")]);
  expect(printed.answers).not.toBe(running.answers);
  expect(overviewOf(printed)).toBe(overviewOf(running));
  const end = runOf(printed.session!.feed.cursor - begun.length + 1, "run-1", "1", ["a\n"]).slice(-2);
  const ended = heard(printed, end.map((one, n) => ({ ...one, number: printed.session!.feed.cursor + 1 + n }) as Publication));
  expect(overviewOf(ended).open).toEqual(["b"]);
  expect(workState(ended)).toBe("running");
  expect(sessionHolds(ended)).toBe(true);
});

test("what comes out of one run copies nothing of two thousand others", () => {
  const runs = Array.from({ length: 2000 }, (_, n) => run(`run-${n}`, `cell-${n}`));
  let notebook = openNotebook("ana" as AccountName, snapshot({ runs }));
  const before = notebook.answers.get("run-7" as MessageId);
  for (let n = 1; n <= 20_000; n++) notebook = heard(notebook, [stream(n, `${n}\n`, "stdout", "run-1999")]);
  expect(notebook.answers.get("run-7" as MessageId)).toBe(before);
  expect(notebook.answers.get("run-1999" as MessageId)?.outputs).toMatchObject([{ kind: "stream", lines: 20_000 }]);
});
