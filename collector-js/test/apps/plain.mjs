/** Pages without an application: links load pages, and filters change the address. */
import { FILTERS } from "./routes.mjs";

for (const [at, filter] of FILTERS.entries())
  document
    .getElementById(`filter${at}`)
    ?.addEventListener("click", () => history.replaceState({}, "", filter));
