/**
 * Sends the first beacons of parallel tabs one after another.
 *
 * Otherwise a visitor without a cookie who opens three tabs at once would get three cookies. The first tab holds a lock
 * until its answer, with the cookie, has arrived. The others wait for up to three seconds and then send anyway. The
 * lock covers one attempt and no retries, because a page that holds a lock is kept out of the back/forward cache.
 *
 * Locks do not exist on plain http and in old browsers. Then the tabs send in any order.
 */
const LONGEST_WAIT_MS = 3_000;

export function firstTurn(): <T>(attempt: () => Promise<T>) => Promise<T> {
  let first = true;
  return async (attempt) => {
    if (first) {
      first = false;
      // The signal ends only the waiting; a granted lock is kept until the attempt is over. A browser without locks or
      // signals also ends in `catch`.
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
