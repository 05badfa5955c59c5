/**
 * mod_proxy_balancer: balancer:// URLs, by electing one of the balancer's members for each attempt.
 * Source: httpd modules/proxy/mod_proxy_balancer.c
 */
import { defineModule } from "../core/module.ts";
import { postRequest, preRequest } from "../proxy/hooks.ts";
import { childInit, postConfig } from "../server/hooks.ts";
import { hearActions } from "./actions.ts";
import { inheritAuditLog } from "./audit.ts";
import { elect } from "./elect.ts";
import { rememberConfigured } from "./overrides.ts";
import { judge } from "./verdict.ts";

export default defineModule({
  name: "mod_proxy_balancer",
  registerHooks(hooks) {
    hooks.hook(postConfig, inheritAuditLog);
    hooks.hook(postConfig, rememberConfigured, { after: ["mod_proxy"] });
    hooks.hook(childInit, hearActions);
    hooks.hook(preRequest, elect, { rank: "first" });
    hooks.hook(postRequest, judge, { rank: "first" });
  },
});
