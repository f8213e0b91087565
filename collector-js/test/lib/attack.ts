/** An attack: what it is called, and what runs within the page and hands over all it could see. */
export type Attack = [string, (given: Given) => unknown];

/** What attacks are given: origins, the site's name, routes, a beacon, and a body that is too long. */
export interface Given {
  collector: string;
  site: string;
  domain: string;
  paths: string[];
  body: string;
  long: string;
}
