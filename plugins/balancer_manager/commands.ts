/** The commands that ask a running server, by SetHandler sluice-api. What they need is loaded when one is wanted. */

/** Answers an exit code; null: the command line is wrong. */
type Command = (args: readonly string[]) => Promise<number | null>;

const NAMES = ["status", "members", "watch", "drain", "enable", "disable", "add", "remove", "recover"] as const;
export type CommandName = (typeof NAMES)[number];

export const consoleCommands: Readonly<Record<string, Command>> = Object.fromEntries(
  NAMES.map((name) => [name, async (args) => (await import("./console.ts")).consoleCommand(name, args)]),
);
