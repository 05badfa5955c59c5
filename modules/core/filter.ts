/**
 * Filters of a response's body. A request without filters pays one comparison.
 * Source: httpd include/util_filter.h
 */
import type { Brigade } from "./brigade.ts";
import type { RequestRec } from "./records.ts";

/** Where a filter stands: nearer to the content, or nearer to the network. */
export type FilterType = "resource" | "contentSet" | "protocol";

export interface OutputFilter {
  readonly name: string;
  readonly type: FilterType;
  /** Changes the length or the bytes: the response then has no Content-Length of the backend's. */
  readonly changesBody: boolean;
  /** Called for each brigade, in order; answers what the next filter gets. The last brigade ends in EOS or ERROR. */
  filter(r: RequestRec, brigade: Brigade): Brigade;
}

const ORDER: Readonly<Record<FilterType, number>> = { resource: 0, contentSet: 1, protocol: 2 };

/** Adds a filter to a response whose head was not sent yet. */
export function addOutputFilter(r: RequestRec, filter: OutputFilter): void {
  const filters = r.outputFilters ?? [];
  const at = filters.findIndex((other) => ORDER[other.type] > ORDER[filter.type]);
  filters.splice(at < 0 ? filters.length : at, 0, filter);
  r.outputFilters = filters;
}

/** Passes a brigade through the filters of a request. */
export function passThroughFilters(r: RequestRec, brigade: Brigade): Brigade {
  let passed = brigade;
  for (const filter of r.outputFilters ?? []) passed = filter.filter(r, passed);
  return passed;
}
