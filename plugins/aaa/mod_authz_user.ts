/**
 * mod_authz_user: Require user and valid-user.
 * Source: httpd modules/aaa/mod_authz_user.c
 */
import { type AuthzCheck, authz, defineModule, z } from "../../modules/mod.ts";
import { parseWords } from "./require_words.ts";

export default defineModule({
  name: "mod_authz_user",
  config: z.object({}),
  registerHooks({ provider }) {
    provider(authz, "user", { parse: parseUser });
    provider(authz, "valid-user", { parse: () => (r) => (r.user === null ? "deniedNoUser" : "granted") });
  },
});

function parseUser(args: string): AuthzCheck {
  const users = parseWords(args);
  return (r) => {
    if (r.user === null) return "deniedNoUser";
    if (users(r).includes(r.user)) return "granted";
    const text = `access to ${r.uri} failed, reason: user '${r.user}' does not meet 'require'ments for user to be allowed access`;
    r.log.debug("authz_user", "AH01663", text, r);
    return "denied";
  };
}
