/** The focus of what comes into the page. */

const focused = new WeakSet<Element>();

/** For `ref`: a field has the focus when it comes, and from then on whoever uses the page decides. */
export function focusOnce(element: Element | undefined): void {
  if (element === undefined || focused.has(element)) return;
  focused.add(element);
  // After the page has put the focus where the current cell is.
  requestAnimationFrame(() => (element as HTMLElement).focus());
}
