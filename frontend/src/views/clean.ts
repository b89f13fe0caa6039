/** What markup from documents and outputs may hold in the page itself. Whoever needs more is shown in a frame. */

import DOMPurify from "dompurify";

/** No form, nothing that looks like the page's own, and no name that the page's scripts could trip over. */
export const CLEAN = {
  USE_PROFILES: { html: true },
  FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select"],
  FORBID_ATTR: ["style", "id", "class", "name"],
};

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
