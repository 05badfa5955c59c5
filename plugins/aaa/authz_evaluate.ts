/**
 * A tree of requirements → may the request be served. Synchronous as long as its checks are.
 * Source: httpd modules/aaa/mod_authz_core.c, apply_authz_sections
 */
import type { AuthzStatus, RequestRec } from "../../modules/mod.ts";
import { type AuthzNode, type AuthzSection, covers, sectionText } from "./authz_section.ts";

type Answer = AuthzStatus | Promise<AuthzStatus>;

/** @param parentOp how the section around it combines its children */
export function evaluate(r: RequestRec, node: AuthzNode, parentOp: "and" | "or" = "and"): Answer {
  if (!covers(node, r.method)) {
    const result = parentOp === "and" ? "granted" : "neutral";
    tell(r, node, "AH01625", result, " (directive limited to other methods)");
    return result;
  }
  const result = "children" in node ? combine(r, node, 0, "neutral") : node.check(r);
  return typeof result === "string" ? settle(r, node, result) : result.then((status) => settle(r, node, status));
}

/** @param so far the result of the children before `from` */
function combine(r: RequestRec, section: AuthzSection, from: number, soFar: AuthzStatus): Answer {
  let result = soFar;
  for (let i = from; i < section.children.length; i++) {
    const child = evaluate(r, section.children[i]!, section.op);
    if (typeof child !== "string") {
      return child.then((status) => {
        const next = join(section, result, status);
        return isFinal(section, next) ? next : combine(r, section, i + 1, next);
      });
    }
    result = join(section, result, child);
    if (isFinal(section, result)) break;
  }
  return result;
}

/** "deniedNoUser" stands for what a user could still change. */
function join(section: AuthzSection, soFar: AuthzStatus, child: AuthzStatus): AuthzStatus {
  if (child === "error") return child;
  if (child === "neutral") return soFar;
  if (soFar === "neutral") return child;
  if (section.op === "and") return child === "denied" || child === "deniedNoUser" ? child : soFar;
  if (child === "granted") return child;
  return child === "deniedNoUser" ? child : soFar;
}

function isFinal(section: AuthzSection, result: AuthzStatus): boolean {
  return result === "error" || result === (section.op === "and" ? "denied" : "granted");
}

function settle(r: RequestRec, node: AuthzNode, status: AuthzStatus): AuthzStatus {
  let result = status;
  // That somebody is not refused is no reason to let him in.
  if (node.negate && status !== "error") result = status === "granted" ? "denied" : "neutral";
  tell(r, node, "AH01626", result, "");
  return result;
}

function tell(r: RequestRec, node: AuthzNode, ah: string, result: AuthzStatus, why: string): void {
  const { log } = r.server;
  if (!log.enabled("authz_core", 7)) return;
  const text = "children" in node ? sectionText(node) : node.text;
  log.debug("authz_core", ah, `authorization result of ${text}: ${WORDS[result]}${why}`, r);
}

const WORDS: Readonly<Record<AuthzStatus, string>> = {
  granted: "granted",
  denied: "denied",
  deniedNoUser: "denied (no authenticated user yet)",
  neutral: "neutral",
  error: "error",
};
