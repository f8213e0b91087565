/** Item 25: the version of the operating system, which agents no longer say. Elsewhere the collector reads the agent. */
import { hint } from "../lib/hints.js";

export const osVersion = () => hint("platformVersion", 32);
