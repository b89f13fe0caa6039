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

// An image from elsewhere would tell that somebody reads this, so the page's policy stops it: a link instead.
DOMPurify.addHook("uponSanitizeElement", (node) => {
  if (!(node instanceof HTMLImageElement)) return;
  const source = node.getAttribute("src") ?? "";
  if (/^(data|blob):/i.test(source)) return;
  const link = document.createElement("a");
  link.textContent = node.alt || "image";
  link.setAttribute("href", source);
  node.replaceWith(link);
});

// A link leaves the page in a tab of its own, and tells nothing of where it was.
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
});
