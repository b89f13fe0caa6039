// Answers for test_changes.py: each line of standard input is a question, each line of output its answer.
// Run in frontend/, where @codemirror/state is installed.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { ChangeSet, Text } = await import(pathToFileURL(`${process.cwd()}/node_modules/@codemirror/state/dist/index.js`));

/** Made here, as the page makes them. */
function made(text, ranges) {
  return ChangeSet.of(ranges, text.length, "\n");
}

function applied(text, json) {
  return ChangeSet.fromJSON(json).apply(Text.of(text.split("\n"))).toString();
}

for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...rest] = JSON.parse(line);
  let answer;
  try {
    if (what === "make") {
      const json = made(...rest).toJSON();
      answer = [json, applied(rest[0], json)];
    } else if (what === "compose") {
      const [text, first, second] = rest;
      const json = ChangeSet.fromJSON(first).compose(ChangeSet.fromJSON(second)).toJSON();
      answer = [json, applied(text, json)];
    } else if (what === "map") {
      const [json, start, end] = rest;
      const changes = ChangeSet.fromJSON(json);
      const [from, to] = [changes.mapPos(start, 1), changes.mapPos(end, -1)];
      answer = from < to ? [from, to] : null;
    } else answer = applied(...rest);
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
}
