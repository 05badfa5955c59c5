/**
 * The state of balancers as lines of "Key: value", for scripts.
 * Source: httpd modules/proxy/mod_proxy.c proxy_status_hook
 */
import type { BalancerState } from "./state.ts";

export function stateLines(balancers: readonly BalancerState[]): string[] {
  return balancers.flatMap(balancerLines);
}

function balancerLines({ name, members }: BalancerState, i: number): string[] {
  const lines = [`ProxyBalancer[${i}]Name: ${name}`];
  for (const [n, member] of members.entries()) {
    const values: [string, string | number][] = [
      ["Name", member.url.slice(member.url.indexOf("|") + 1)],
      ["Status", member.status],
      ["Elected", member.elected],
      ["Busy", member.busy],
      ["Sent", `${Math.floor(member.transferred / 1024)}K`],
      ["Rcvd", `${Math.floor(member.read / 1024)}K`],
    ];
    for (const [key, value] of values) lines.push(`ProxyBalancer[${i}]Worker[${n}]${key}: ${value}`);
  }
  return lines;
}
