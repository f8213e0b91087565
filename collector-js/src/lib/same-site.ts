/**
 * Does a host belong to the counted site? True for the site's name, for all names below it, and for the page's own
 * host, because a site may be tested under another name. The snippet contains no list of public suffixes.
 */
export const isSameSite = (host: string, site: string): boolean =>
  host === location.hostname || `.${host}`.endsWith(`.${site}`);
