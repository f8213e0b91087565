/** What the page asks the collector. */

/** A site that the account reads. `first` and `end` are seconds: of its first window's start, of its last window's end. */
export interface Site {
  site: string;
  zone: string;
  first: number;
  end: number;
  notes: Note[];
}

/** What happened on a day, in the operator's words. */
export interface Note {
  day: string;
  text: string;
}

export interface Account {
  name: string;
  sites: Site[];
  /** False if the operator's file of annotations has a mistake. */
  notes_are_read: boolean;
}

export type Cell = string | number | boolean | null;

/** The rows of a panel. */
export interface Table {
  columns: { name: string; isText: boolean }[];
  rows: Cell[][];
}

/** What a panel is asked for. `to` is not included. */
export interface Question {
  panel: string;
  site: string;
  from: string;
  to: string;
  item: string;
}

/** A request without an answer. `word` says why; `words.ts` has a sentence for it. */
export class Refused extends Error {
  word: string;

  constructor(word: string) {
    super(word);
    this.word = word;
  }
}

async function sent(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`/stats/${path}`, init);
  } catch {
    throw new Refused("network");
  }
  if (response.ok) return response;
  const text = await response.text();
  throw new Refused(/^[a-z]{1,20}$/.test(text) ? text : "store");
}

export const signIn = (name: string, password: string) =>
  sent("sign-in", { method: "POST", body: JSON.stringify({ name, password }) });

export const signOut = () => sent("sign-out", { method: "POST" });

export const account = async (): Promise<Account> => (await sent("sites")).json();

export const statement = async (panel: string) => (await sent(`sql?panel=${panel}`)).text();

const asked = new Map<string, Promise<Table>>();

/** Forgets all answers: another person looks. */
export const forget = () => asked.clear();

/** The rows of a panel. The same question is sent once. */
export function rows(question: Question): Promise<Table> {
  const query = new URLSearchParams({ ...question }).toString();
  const known = asked.get(query);
  if (known) return known;
  const answer = read(query);
  asked.set(query, answer);
  answer.catch(() => asked.delete(query));
  return answer;
}

async function read(query: string): Promise<Table> {
  const { meta, data } = await (await sent(`panel?${query}`)).json();
  const types: { name: string; type: string }[] = meta;
  const columns = types.map(({ name, type }) => ({ name, isText: /String|Date/.test(type) }));
  // Large integers can arrive as texts.
  const rows = (data as Cell[][]).map((row) =>
    row.map((cell, at) => (columns[at]?.isText || typeof cell !== "string" ? cell : Number(cell))),
  );
  return { columns, rows };
}
