/** Tests that start programs may take longer than Bun's 5 seconds where the machine is busy. `deno test` has no limit. */
import { setDefaultTimeout } from "bun:test";

setDefaultTimeout(30_000);
