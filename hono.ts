/**
 * sluice as middleware of Hono: `app.all("/api/*", sluice(...))`. It answers every request that it gets.
 */
import type { MiddlewareHandler } from "hono";
import { createHandler, type HandlerOptions, type SluiceConfig } from "./mod.ts";

/** For WebSockets on Bun: goes beside the application's `fetch` into what is exported. Deno needs none. */
export { websocket } from "./mod.ts";

/** The configuration is read at once; a mistake in it ends the program, as an unhandled rejection. */
export function sluice(config: string | SluiceConfig, options: HandlerOptions = {}): MiddlewareHandler {
  const handler = createHandler(config, options);
  return async (c) => (await handler).fetch(c.req.raw, c.env);
}
