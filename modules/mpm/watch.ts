/**
 * --watch: a call when one of the files of a configuration is another one. They are looked at, not listened to: that sees files
 * that are replaced, links that are turned, and what is mounted into a container.
 */
import { nodeHost } from "./host.ts";

const LOOK_MS = 500;

/**
 * Calls `changed` with the path of a file that changed, each time: what was saved may be broken, and be mended. A file that is
 * written in pieces is waited for. Answers how to stop.
 */
export function watchFiles(paths: readonly string[], changed: (path: string) => void): () => void {
  const versions = new Map(paths.map((path) => [path, versionOf(path)]));
  let moving = "";
  const timer = setInterval(() => {
    let found = "";
    for (const [path, version] of versions) {
      const now = versionOf(path);
      if (now === version) continue;
      versions.set(path, now);
      found = path;
    }
    // Not before it stands still.
    if (found === "" && moving !== "") changed(moving);
    moving = found;
  }, LOOK_MS);
  return () => clearInterval(timer);
}

/** "" while there is none: an editor may be about to rename another one into its place. */
function versionOf(path: string): string {
  try {
    return nodeHost.files!.version(path);
  } catch {
    return "";
  }
}
