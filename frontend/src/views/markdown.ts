/** Markdown as markup that is safe in the page: raw HTML is text, and the result is sanitised as well. */

import DOMPurify from "dompurify";
import { html, type TemplateResult } from "lit-html";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import MarkdownIt from "markdown-it";
import { formulaAt } from "../math";
import { CLEAN } from "./clean";
import "./code";
import "./mime/tex-math";

const parser = new MarkdownIt({ html: false, linkify: true, typographer: true });
const escape = parser.utils.escapeHtml;

// A formula is taken out before anything in it is read as Markdown: `_` and `*` mean something else there.
parser.inline.ruler.before("escape", "formula", (state, silent) => {
  const found = formulaAt(state.src.slice(0, state.posMax), state.pos);
  if (found === null) return false;
  if (!silent) state.push("formula", "", 0).meta = { ...found[0] };
  state.pos = found[1];
  return true;
});

// Between two dollars of a display there may be empty lines, which would end a paragraph.
parser.block.ruler.before(
  "fence",
  "formula",
  (state, first, last, silent) => {
    const start = state.bMarks[first]! + state.tShift[first]!;
    const found = formulaAt(state.src, start);
    if (found === null || !found[0].display) return false;
    let line = first;
    while (line < last && state.eMarks[line]! < found[1]) line++;
    if (line >= last || state.src.slice(found[1], state.eMarks[line]).trim() !== "") return false;
    if (silent) return true;
    state.push("formula", "", 0).meta = { ...found[0] };
    state.line = line + 1;
    return true;
  },
  { alt: ["paragraph", "reference", "blockquote", "list"] },
);

parser.renderer.rules["formula"] = (tokens, index) => {
  const { tex, display } = tokens[index]!.meta as { tex: string; display: boolean };
  return `<tex-math${display ? " display" : ""}>${escape(tex)}</tex-math>`;
};

parser.renderer.rules.fence = (tokens, index) => {
  const { info, content } = tokens[index]!;
  const language = info.trim().split(/\s+/)[0]!.toLowerCase().replace(/[^\w+#-]/g, "");
  return `<pre tabindex="0"><code><code-text language="${language || "text"}">${escape(content.replace(/\n$/, ""))}</code-text></code></pre>`;
};

const ALLOWED = {
  ...CLEAN,
  ADD_ATTR: ["tabindex"],
  CUSTOM_ELEMENT_HANDLING: { tagNameCheck: /^(?:tex-math|code-text)$/, attributeNameCheck: /^(?:display|language)$/, allowCustomizedBuiltInElements: false },
};

/** Rendered sources, the newest last: a worksheet is drawn often and its text changes seldom. */
const cache = new Map<string, TemplateResult>();
const CACHED = 500;

export function renderMarkdown(source: string): TemplateResult {
  const known = cache.get(source);
  if (known !== undefined) return known;
  const safe = DOMPurify.sanitize(parser.render(source), ALLOWED);
  const rendered = html`<div class="markdown">${unsafeHTML(safe)}</div>`;
  cache.set(source, rendered);
  if (cache.size > CACHED) cache.delete(cache.keys().next().value ?? "");
  return rendered;
}
