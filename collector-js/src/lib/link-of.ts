/**
 * The link that a click is on. Inside a shadow tree `event.target` is the host element, but the path contains the link.
 */
export const linkOf = (event: Event) =>
  event.composedPath().find((part) => /^a(rea)?$/i.test((part as Element).tagName));
