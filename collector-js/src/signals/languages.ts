/** Item 19: the languages the visitor prefers, best first. Private windows tell of one only, which is a value too. */

/** The shape of a BCP 47 tag; the collector checks its meaning. */
const TAG = /^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i;

export function languages(): string[] | undefined {
  const told = (navigator.languages ?? [navigator.language]).filter(
    (tag) => TAG.test(tag) && tag.length <= 35,
  );
  return told.length ? told.slice(0, 8) : undefined;
}
