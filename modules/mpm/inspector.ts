/**
 * Deno opens its debugger at 127.0.0.1:9229 on SIGUSR1, whoever else listens to the signal: any user of the machine could then
 * run code in the proxy. There is no flag against it, so it is closed again, about a millisecond after it opened. Deno 2.9.2
 * to 2.9.5; can go when Deno can be told not to.
 */
const WATCH_MS = 1000;

let watched: (() => void) | null = null;

/** Called before the first signal: a debugger that was asked for on the command line is left alone. */
export async function guardInspector(): Promise<void> {
  if (!("Deno" in globalThis)) return;
  const inspector = await import("node:inspector");
  if (inspector.url() !== undefined) return;
  watched = () => {
    const started = Date.now();
    const timer = setInterval(() => {
      const open = inspector.url() !== undefined;
      if (open) inspector.close();
      if (open || Date.now() - started > WATCH_MS) clearInterval(timer);
    }, 1);
  };
}

/** On SIGUSR1. */
export function closeInspector(): void {
  watched?.();
}
