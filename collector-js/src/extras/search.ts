/**
 * What the visitor searched the site for: the first of the named parameters of the address that is not empty.
 *
 * Pages that search while the visitor types change the address with every key. So the words are reported once typing has
 * stopped, or when the visitor goes on.
 */
import { MAX_QUERY } from "../beacon.js";
import { text } from "../lib/text.js";

/** Typing has stopped if nothing changed for this long. */
const PAUSE_MS = 1_000;

export function searchTerm(names: string[] = [], address: string): string {
  const [, query = ""] = /\?([^#]*)/.exec(address) ?? [];
  const parameters = new URLSearchParams(query);
  return text(names.map((name) => parameters.get(name)).find((value) => value?.trim()) ?? "", MAX_QUERY);
}

/** Takes each address of the page, and `undefined` when the page is hidden. */
export function watchSearch(names: string[] | undefined, onSearch: (term: string) => void) {
  let reported = "";
  let waiting = "";
  let path: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const report = () => {
    clearTimeout(timer);
    // A restored page, or a move with the same words, is not another search.
    if (waiting && waiting !== reported) {
      reported = waiting;
      onSearch(waiting);
    }
    waiting = "";
  };
  return (address: string | undefined) => {
    const next = address?.replace(/[?#].*/, "");
    // The visitor has gone on, so what was typed is what was searched.
    if (next !== path) report();
    if (address === undefined) return;
    const isFirst = path === undefined;
    path = next;
    const term = searchTerm(names, address);
    // The words are still those of the last search: another page of its results.
    if (!term) return;
    waiting = term;
    clearTimeout(timer);
    if (isFirst) report();
    else timer = setTimeout(report, PAUSE_MS);
  };
}
