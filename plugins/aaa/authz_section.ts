/**
 * What `Require` says, as a tree: requirements, and sections that combine them; and how scopes are merged.
 * Source: httpd modules/aaa/mod_authz_core.c, merge_authz_core_dir_config, add_authz_section, authz_core_check_section
 */
import type { AuthzCheck, MethodTest } from "../../modules/mod.ts";

/** One `Require` line. */
export interface Requirement {
  /** As the log names it. */
  readonly text: string;
  negate: boolean;
  readonly check: AuthzCheck;
  /** Of <Limit>; null: it is about every method. */
  readonly limited: MethodTest | null;
}

/** <RequireAll>, <RequireAny>, <RequireNone>, and the Require lines that stand in none of them. */
export interface AuthzSection {
  op: "and" | "or";
  negate: boolean;
  /** Of AuthMerging, not written as a section. */
  readonly merged: boolean;
  children: AuthzNode[];
}

export type AuthzNode = Requirement | AuthzSection;

/** All of one <Location> or its like. */
export interface AuthzScope {
  /** AuthMerging; null: it is not set. */
  merging: "off" | "and" | "or" | null;
  section: AuthzSection | null;
}

export function makeSection(op: "and" | "or", negate: boolean): AuthzSection {
  return { op, negate, merged: false, children: [] };
}

/** Is it about requests of this method? A section is where one of its children is. */
export function covers(node: AuthzNode, method: string): boolean {
  if ("children" in node) return node.children.some((child) => covers(child, method));
  return node.limited === null || node.limited(method);
}

/** As httpd names a section in its messages. */
export function sectionText({ op, negate, merged }: AuthzSection): string {
  const word = op === "and" ? (negate ? "NotAll" : "All") : negate ? "None" : "Any";
  return merged ? `AuthMerging ${word}` : `<Require${word}>`;
}

/** Answers an error, or nothing. */
export function addToSection(outer: AuthzSection, section: AuthzSection): string | undefined {
  if (section.negate && outer.op === "or") {
    return `${sectionText(section)} directive has no effect in ${sectionText(outer)} directive`;
  }
  if (!section.negate && section.op === outer.op) outer.children.push(...section.children);
  else outer.children.push(section);
  return undefined;
}

/** The section in it that has none but negative children, or null. <RequireNone> in <RequireAll> is as many `Require not`. */
export function onlyNegative(section: AuthzSection): AuthzSection | null {
  for (let i = 0; i < section.children.length; i++) {
    const child = section.children[i]!;
    if (!("children" in child)) continue;
    const guilty = onlyNegative(child);
    if (guilty !== null) return guilty;
    if (!child.negate || child.op === section.op) continue;
    for (const inner of child.children) inner.negate = !inner.negate;
    section.children.splice(i, 1, ...child.children);
    i += child.children.length - 1;
  }
  return section.children.every((child) => child.negate) ? section : null;
}

/** The section that holds for a request, from the scopes that match, outermost first; null: there is none. */
export function mergeScopes(scopes: readonly AuthzScope[]): AuthzSection | null {
  return scopes.reduce<AuthzSection | null>((base, { merging, section }) => {
    if (section === null && merging === null) return base;
    if (merging === null || merging === "off") return section;
    if (base === null || section === null) return section ?? base;
    return { op: merging, negate: false, merged: true, children: [base, section] };
  }, null);
}
