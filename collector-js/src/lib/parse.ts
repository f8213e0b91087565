/** An address in its parts, by an element, because pages have variables of their own that are called `URL`. */
export const parse = (href: string | undefined): HTMLAnchorElement =>
  Object.assign(document.createElement("a"), { href });
