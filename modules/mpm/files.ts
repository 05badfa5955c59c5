/**
 * Files, for the configuration.
 */
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** The part of a ConfigHost that reads files. */
export const configFiles = {
  readFile: (path: string): string => readFileSync(path, "utf8"),
  readDir: (path: string): readonly string[] => readdirSync(path),
  kind(path: string): "file" | "dir" | "none" {
    try {
      return statSync(path).isDirectory() ? "dir" : "file";
    } catch {
      return "none";
    }
  },
};

/** Creates the folder of a file. */
export function makeFolderOf(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
}
