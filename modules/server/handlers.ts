/**
 * Which handlers a configuration uses: what counts for one costs nothing where nobody asked for it.
 */
import type { ProcessRec, RawVector, SectionRec } from "../core/records.ts";
import core from "./mod_core.ts";

/** Whether some scope says `SetHandler name`. */
export function usesHandler({ servers }: ProcessRec, name: string): boolean {
  const says = (raw: RawVector) => raw[core.index]?.handler === name;
  const inSection = ({ raw, ifs }: SectionRec): boolean => says(raw) || ifs.some(inSection);
  return servers.some(
    ({ raw, locations, proxies, ifs }) => says(raw) || [...locations, ...proxies, ...ifs].some(inSection),
  );
}
