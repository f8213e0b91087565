/**
 * The checker's panel, above the page. It is built without markup, so that Trusted Types and the page's content
 * security policy permit it.
 */
import type { Finding } from "./findings.js";

const STYLE = `
  section { all: initial; position: fixed; inset: auto 1rem 1rem auto; width: min(34rem, calc(100vw - 2rem)); max-height: 80vh;
    overflow: auto; z-index: 2147483647; background: #fff; color: #1c2733; border: 1px solid #c8d0d8; border-radius: 8px;
    box-shadow: 0 6px 30px #0004; font: 14px/1.45 system-ui, sans-serif; }
  h2 { font-size: 15px; margin: 0; padding: .7rem 3rem .7rem 1rem; background: #f3f6f9; border-bottom: 1px solid #dfe5ea; }
  ul { list-style: none; margin: 0; padding: .4rem 0; }
  li { padding: .35rem 1rem .35rem 2.4rem; position: relative; overflow-wrap: anywhere; }
  li::before { position: absolute; left: 1rem; font-weight: bold; }
  .good::before { content: "✓"; color: #17803d; }
  .note::before { content: "!"; color: #a15c00; }
  .bad::before { content: "✗"; color: #c01c28; }
  small { display: block; color: #56636f; font-size: 13px; }
  small:empty { display: none; }
  .bad { font-weight: 600; }
  .bad small { font-weight: normal; }
  button { position: absolute; right: .25rem; top: .2rem; width: 2.4rem; height: 2.4rem; border: 0; background: none;
    color: inherit; font-size: 18px; cursor: pointer; }
`;

/** The name of the panel's element. */
export const PANEL = "tamga-check";

export function panel(): (findings: Finding[]) => void {
  const host = document.createElement(PANEL);
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const section = add(root, "section", "");
  add(section, "h2", "Tamga: does the installation work?");
  const close = add(section, "button", "×");
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => host.remove());
  const list = add(section, "ul", "");
  document.documentElement.append(host);
  return (findings) => {
    list.replaceChildren();
    for (const { state, what, why } of findings) {
      const line = add(list, "li", what);
      line.className = state;
      add(line, "small", why ?? "");
    }
  };
}

function add(parent: ParentNode & Node, kind: string, text: string) {
  const element = document.createElement(kind);
  element.textContent = text;
  parent.append(element);
  return element;
}
