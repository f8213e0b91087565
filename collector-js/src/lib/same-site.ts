/**
 * Does a host belong to the counted site? True for the site's name and for everything below it, and for the page's own
 * host, since a site may be tried out under another name. No list of public suffixes is shipped to browsers.
 */
export const isSameSite = (host: string, site: string): boolean =>
  host === location.hostname || `.${host}`.endsWith(`.${site}`);
