/** What Jupyter's controls leave unsaid to a screen reader: the name of a slider, and that it cannot be moved. */

export function nameSliders(root: ParentNode): void {
  for (const handle of root.querySelectorAll<HTMLElement>(".noUi-handle")) {
    const label = handle.closest(".jupyter-widgets")?.querySelector(".widget-label")?.textContent?.trim();
    if (label) handle.setAttribute("aria-label", label);
    handle.setAttribute("aria-disabled", String(handle.closest(".noUi-target")?.hasAttribute("disabled") === true));
  }
}

/** Now, and whenever a control comes, is named anew or becomes fixed. */
export function keepNamed(root: HTMLElement): void {
  let waiting = false;
  const look = () => {
    waiting = false;
    nameSliders(root);
  };
  // Not with the next frame of the screen: what is scrolled away has none, and is read all the same.
  const soon = () => {
    if (!waiting) setTimeout(look, 50);
    waiting = true;
  };
  new MutationObserver(soon).observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled"] });
  soon();
}
