/**
 * Item 19: the languages that the visitor prefers, best first. Private windows report only one, which is also a value.
 */

/** The shape of a BCP 47 tag; the collector checks its meaning. */
const TAG = /^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i;

export function languages(): string[] | undefined {
  const valid = (navigator.languages ?? [navigator.language]).filter(
    (tag) => TAG.test(tag) && tag.length <= 35,
  );
  return valid.length ? valid.slice(0, 8) : undefined;
}
