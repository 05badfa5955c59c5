/**
 * Of the modules that ship those that import no node: module, in load order: what hosts without it get. A test sees to it.
 * What serves without a directive of its own is loaded always; the others with the first directive that needs them.
 */
import { later, type Shipped } from "../modules/mod.ts";
import dir from "./alias/mod_dir.ts";
import bybusyness from "./lbmethod/mod_lbmethod_bybusyness.ts";
import byrequests from "./lbmethod/mod_lbmethod_byrequests.ts";
import bytraffic from "./lbmethod/mod_lbmethod_bytraffic.ts";
import ewma from "./lbmethod/mod_lbmethod_ewma.ts";
import hash from "./lbmethod/mod_lbmethod_hash.ts";
import byheartbeat from "./lbmethod/mod_lbmethod_heartbeat.ts";
import p2c from "./lbmethod/mod_lbmethod_p2c.ts";
import random from "./lbmethod/mod_lbmethod_random.ts";
import proxyHttp from "./proxy_http/mod_proxy_http.ts";
import slotmemPlain from "./slotmem/mod_slotmem_plain.ts";
import slotmemShm from "./slotmem/mod_slotmem_shm.ts";
import stickyCookie from "./sticky/mod_sticky_cookie.ts";
import stickyRoute from "./sticky/mod_sticky_route.ts";
import uniqueId from "./unique_id/mod_unique_id.ts";

/** AuthType and AuthName are of the core. */
const ACCESS = /^(Require|Auth)/i;

// What the manager and the API may ask for while the server runs is loaded with them.
export const portablePlugins: Shipped = [
  slotmemPlain,
  slotmemShm,
  byrequests,
  bytraffic,
  bybusyness,
  byheartbeat,
  random,
  p2c,
  ewma,
  hash,
  stickyRoute,
  stickyCookie,
  later("mod_env", /^(Set|Unset|Pass)Env\b/i, () => import("./env/mod_env.ts")),
  uniqueId,
  later("mod_setenvif", /^(SetEnvIf|BrowserMatch)/i, () => import("./setenvif/mod_setenvif.ts")),
  later("mod_headers", /^(Request)?Header\b/i, () => import("./headers/mod_headers.ts")),
  proxyHttp,
  later("mod_proxy_wstunnel", /^ProxyWebsocket/i, () => import("./proxy_wstunnel/mod_proxy_wstunnel.ts")),
  later("mod_proxy_fetch", /^Front\b/i, () => import("./proxy_fetch/mod_proxy_fetch.ts")),
  // A URL may come from a map.
  later("mod_proxy_ftp", /ftp|^RewriteMap|balancer-manager|sluice-api/i, () => import("./proxy_ftp/mod_proxy_ftp.ts")),
  later("mod_mime", /^((Add|Remove)[A-Z]|TypesConfig|ForceType|DefaultLanguage)/i, () => import("./mime/mod_mime.ts")),
  later(
    "mod_proxy_hcheck",
    /^ProxyHC|\bhc\w+=|balancer-manager|sluice-api/i,
    () => import("./proxy_hcheck/mod_proxy_hcheck.ts"),
  ),
  later("mod_authz_core", ACCESS, () => import("./aaa/mod_authz_core.ts")),
  later("mod_authz_host", ACCESS, () => import("./aaa/mod_authz_host.ts")),
  later("mod_authz_user", ACCESS, () => import("./aaa/mod_authz_user.ts")),
  later("mod_authz_groupfile", ACCESS, () => import("./aaa/mod_authz_groupfile.ts")),
  later("mod_access_compat", /^(Order|Allow|Deny|Satisfy)\b/i, () => import("./aaa/mod_access_compat.ts")),
  later("mod_remoteip", /^RemoteIP/i, () => import("./remoteip/mod_remoteip.ts")),
  later("mod_auth_forward", /^AuthForward/i, () => import("./auth_forward/mod_auth_forward.ts")),
  later(
    "mod_log_config",
    /^((Custom|Transfer|Cookie|Global)Log|LogFormat|LogIO|BufferedLogs)/i,
    () => import("./log_config/mod_log_config.ts"),
  ),
  later("mod_rewrite", /^Rewrite/i, () => import("./rewrite/mod_rewrite.ts")),
  later("mod_alias", /^(Script)?Alias|^Redirect/i, () => import("./alias/mod_alias.ts")),
  dir,
  later(
    "mod_balancer_manager",
    /^BalancerPersist|balancer-manager|sluice-api/i,
    () => import("./balancer_manager/mod_balancer_manager.ts"),
  ),
  later("mod_sluice_api", /sluice-api/i, () => import("./balancer_manager/mod_sluice_api.ts")),
  later(
    "mod_status",
    /server-status|sluice-health|^(ExtendedStatus|ProxyStatus|SeeRequestTail)/i,
    () => import("./status/mod_status.ts"),
  ),
];
