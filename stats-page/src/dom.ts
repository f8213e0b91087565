/** Elements without a framework. Texts are always texts: nothing that comes from a store is parsed as HTML. */

type Child = Node | string | undefined | false;
type Properties = Record<string, string | number | boolean | ((event: Event) => void) | undefined>;

/** An element with attributes, listeners (`onclick`) and children. */
export function element(name: string, properties: Properties = {}, ...children: Child[]): HTMLElement {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== undefined && value !== false) made.setAttribute(key, String(value));
  }
  made.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return made;
}

/** The pieces of a name that stay together in a line: up to a sign, or 24 letters. */
export const pieces = (text: string): string[] =>
  (text.match(/[/:]*(?:[^/\s_.:?&=@-]|:(?=\d)){0,24}(?:[\s_.?&=@-]|:(?=\s))*/g) ?? []).filter(Boolean);

/** A name that a line breaks between its pieces. */
export const breakable = (text: string): (Node | string)[] =>
  pieces(text).flatMap((piece, at) => (at ? [document.createElement("wbr"), piece] : [piece]));

/** A text whose parts between backticks are code. */
export const coded = (text: string): (Node | string)[] =>
  text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));

const SVG = "http://www.w3.org/2000/svg";

export function svg(
  name: string,
  attributes: Record<string, string | number>,
  ...children: Node[]
): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}
