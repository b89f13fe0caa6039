/** What stands under a cell: each output by its kind, and a display by the best form it has. */

import { html, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { type Source, sourceOf } from "../blobs";
import { type DisplayOutput, type ErrorOutput, lineNow, type GapOutput, type Output, type PromptOutput, type StreamOutput } from "../outputs";
import { PLAIN_LOOK } from "../state";
import { type Drawn, type OutputsView, textOf } from "./mime/drawing";
import { type Copied, framed } from "./mime/framed";
import { draw, formsOf } from "./mime/registry";
import { fileOf, valueOnce } from "./mime/source";
import { tabsIn } from "./mime/table";
import { folded, foldedEnds } from "./mime/text";

export type { OutputsView } from "./mime/drawing";

export function outputs(view: OutputsView): TemplateResult {
  return html`${repeat(
    view.answer.outputs,
    (output) => output.key,
    (output) => oneOutput(output, view),
  )}`;
}

function oneOutput(output: Output, view: OutputsView): Drawn {
  switch (output.kind) {
    case "stream":
      return stream(output, view);
    case "display":
      return display(output, view);
    case "error":
      return traceback(output, view);
    case "prompt":
      return prompt(output, view);
    case "gap":
      return gap(output, view);
  }
}

/** The name of an output in the looks. */
function keyOf(output: Output, view: OutputsView): string {
  return `${view.msgId}/${output.key}`;
}

function stream(output: StreamOutput, view: OutputsView): Drawn {
  const key = keyOf(output, view);
  const line = lineNow(output);
  const text = output.done + line;
  const lines = output.lines + (line === "" ? 0 : 1);
  const label = output.name === "stderr" ? "Standard error" : "Standard output";
  const whole = () => (output.cut === null ? Promise.resolve(text) : wholeOf(output, view));
  return framed({
    key,
    view,
    classes: `stream ${output.name}`,
    kind: output.name,
    label,
    body: () => (output.cut === null ? folded(text, lines, key, view) : foldedEnds(output.cut, text, lines, key, view)),
    forms: [],
    copy: async () => ({ text: await whole() }),
    file: async () => ({ blob: new Blob([await whole()], { type: "text/plain" }), name: `${output.name}.txt` }),
  });
}

/** What the server has of a stream of which only the ends are here. */
async function wholeOf({ key, name }: StreamOutput, { msgId, actions }: OutputsView): Promise<string> {
  const outputs = (await actions.loadWhole(msgId))?.outputs ?? [];
  // Its key is the number of its first publication, or of a later one where the server had joined some.
  const found = outputs.findLast((other) => other.kind === "stream" && other.name === name && other.key <= key);
  return found?.kind !== "stream" ? "" : (found.cut?.head ?? "") + found.done + lineNow(found);
}

function gap({ count }: GapOutput, { msgId, actions }: OutputsView): TemplateResult {
  return html`<button class="fold" data-output="gap" @click=${() => void actions.loadWhole(msgId)}>
    ${count.toLocaleString()} outputs are left out here: show all
  </button>`;
}

function traceback(output: ErrorOutput, view: OutputsView): Drawn {
  const key = keyOf(output, view);
  const text = output.traceback.length > 0 ? output.traceback.join("\n") : `${output.ename}: ${output.evalue}`;
  return framed({
    key,
    view,
    classes: "error",
    kind: "error",
    label: `Error in ${view.cell}: ${output.ename}`,
    body: () => folded(text, text.split("\n").length, key, view, true),
    forms: [],
    copy: async () => ({ text }),
    file: async () => ({ blob: new Blob([text], { type: "text/plain" }), name: "error.txt" }),
  });
}

function display(output: DisplayOutput, view: OutputsView): Drawn {
  const key = keyOf(output, view);
  const forms = formsOf(output);
  const asked = (view.looks.get(key) ?? PLAIN_LOOK).form;
  const type = forms.find((form) => form.type === asked)?.type ?? forms[0]?.type ?? null;
  const source = type === null ? null : sourceOf(output, type);
  return framed({
    key,
    view,
    classes: "display",
    kind: "display",
    label: `Output of ${view.cell}`,
    body: () => draw({ output, key, view }, asked),
    forms: forms.map((form) => ({ ...form, chosen: form.type === type })),
    copy: type === null || source === null ? null : () => copied(type, source, output),
    file: type === null || source === null ? null : async () => ({ blob: await fileOf(type, source), name: `output${endingOf(type)}` }),
  });
}

/** A picture as a picture, a table as fields, anything else as the text that was published. */
async function copied(type: string, source: Source, output: DisplayOutput): Promise<Copied> {
  const plain = textOf(output.data["text/plain"]);
  if (type === "image/png") return { text: plain, image: await fileOf(type, source) };
  if (/^(?:image|video|audio)\/(?!svg)/.test(type)) return { text: plain };
  const text = textOf(await valueOnce(source));
  return { text: type === "text/html" ? (tabsIn(text) ?? (plain || text)) : text };
}

const ENDINGS: Readonly<Record<string, string>> = {
  "text/plain": ".txt",
  "text/markdown": ".md",
  "text/latex": ".tex",
  "image/svg+xml": ".svg",
  "image/jpeg": ".jpg",
  "audio/mpeg": ".mp3",
  "audio/x-wav": ".wav",
  "video/quicktime": ".mov",
  "application/javascript": ".js",
  "text/javascript": ".js",
};

function endingOf(type: string): string {
  if (Object.hasOwn(ENDINGS, type)) return ENDINGS[type]!;
  return type.endsWith("json") ? ".json" : `.${(type.split("/")[1] ?? "bin").replace(/\W/g, "")}`;
}

function prompt(output: PromptOutput, view: OutputsView): TemplateResult {
  if (!output.open || !view.mayAnswer) {
    const fate = output.open ? "waits for an answer" : output.answeredBy === "" ? "not answered" : `answered by ${view.nameOf(output.answeredBy)}`;
    return html`<div class="output stream prompt-past" data-output="prompt">
      <pre>${output.text}</pre>
      <span class="quiet">${fate}</span>
    </div>`;
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("answer") as HTMLInputElement;
    void view.actions.answer(output.prompt, field.value);
    field.value = "";
  };
  return html`<form class="output prompt" data-output="prompt" data-prompt=${output.prompt} @submit=${submit}>
    <label><span class="prompt-text">${output.text || "The code asks for a line"}</span>
      <input name="answer" type=${output.password ? "password" : "text"} autocomplete="off" spellcheck="false" />
    </label>
    <button type="submit">Answer</button>
  </form>`;
}
