/**
 * Lets the first beacons of parallel tabs go one after another.
 *
 * A visitor without a cookie who opens three tabs at once would otherwise be given three cookies. The first tab holds a
 * lock until its answer (and with it the cookie) has come; the others wait up to three seconds, then go anyway. The lock
 * covers one attempt, no retries, because a page that holds a lock is kept out of the back/forward cache.
 *
 * Missing on plain http and in old browsers: there is no order then, and nothing else changes.
 */
const LONGEST_WAIT_MS = 3_000;

export function firstTurn(): <T>(attempt: () => Promise<T>) => Promise<T> {
  let first = true;
  return async (attempt) => {
    if (first) {
      first = false;
      // The signal ends the waiting only; a lock once granted is kept until the attempt is over. Also caught: a browser without
      // locks or signals.
      try {
        return await navigator.locks.request(
          "tamga",
          { signal: AbortSignal.timeout(LONGEST_WAIT_MS) },
          attempt,
        );
      } catch {}
    }
    return attempt();
  };
}
