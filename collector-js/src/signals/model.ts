/** Item 26: the model of a telephone or tablet, which agents no longer say. Elsewhere the collector reads the agent. */
import { hint } from "../lib/hints.js";

export const model = () => hint("model", 64);
