/** Markdown as markup that is safe in the page: raw HTML is text, and the result is sanitised as well. */

import DOMPurify from "dompurify";
import { html, type TemplateResult } from "lit-html";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import MarkdownIt from "markdown-it";

const parser = new MarkdownIt({ html: false, linkify: true, typographer: true });

/** Rendered sources, the newest last: a worksheet is drawn often and its text changes seldom. */
const cache = new Map<string, TemplateResult>();
const CACHED = 500;

export function renderMarkdown(source: string): TemplateResult {
  const known = cache.get(source);
  if (known !== undefined) return known;
  const safe = DOMPurify.sanitize(parser.render(source), {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select"],
    FORBID_ATTR: ["style", "id", "class", "name"],
  });
  const rendered = html`<div class="markdown">${unsafeHTML(safe)}</div>`;
  cache.set(source, rendered);
  if (cache.size > CACHED) cache.delete(cache.keys().next().value ?? "");
  return rendered;
}

// A link leaves the page in a tab of its own, and tells nothing of where it was.
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
});
