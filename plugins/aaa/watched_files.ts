/** Password and group files, each kept once however many sections name it. */
import { WatchedFile } from "../../modules/mod.ts";

/** Gives the file of a path as `parse` understands it. */
export function watchedFiles<T>(parse: (text: string) => T): (path: string) => WatchedFile<T> {
  const known = new Map<string, WatchedFile<T>>();
  return (path) => {
    const file = known.get(path) ?? new WatchedFile(path, parse);
    known.set(path, file);
    return file;
  };
}
