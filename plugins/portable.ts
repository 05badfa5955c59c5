/** Of the modules that ship those that import no node: module, in load order: what hosts without it get. A test sees to it. */
import type { Module } from "../modules/mod.ts";
import accessCompat from "./aaa/mod_access_compat.ts";
import authzCore from "./aaa/mod_authz_core.ts";
import authzGroupfile from "./aaa/mod_authz_groupfile.ts";
import authzHost from "./aaa/mod_authz_host.ts";
import authzUser from "./aaa/mod_authz_user.ts";
import alias from "./alias/mod_alias.ts";
import dir from "./alias/mod_dir.ts";
import authForward from "./auth_forward/mod_auth_forward.ts";
import balancerManager from "./balancer_manager/mod_balancer_manager.ts";
import sluiceApi from "./balancer_manager/mod_sluice_api.ts";
import env from "./env/mod_env.ts";
import headers from "./headers/mod_headers.ts";
import bybusyness from "./lbmethod/mod_lbmethod_bybusyness.ts";
import byrequests from "./lbmethod/mod_lbmethod_byrequests.ts";
import bytraffic from "./lbmethod/mod_lbmethod_bytraffic.ts";
import ewma from "./lbmethod/mod_lbmethod_ewma.ts";
import hash from "./lbmethod/mod_lbmethod_hash.ts";
import byheartbeat from "./lbmethod/mod_lbmethod_heartbeat.ts";
import p2c from "./lbmethod/mod_lbmethod_p2c.ts";
import random from "./lbmethod/mod_lbmethod_random.ts";
import logConfig from "./log_config/mod_log_config.ts";
import mime from "./mime/mod_mime.ts";
import proxyFetch from "./proxy_fetch/mod_proxy_fetch.ts";
import proxyFtp from "./proxy_ftp/mod_proxy_ftp.ts";
import proxyHcheck from "./proxy_hcheck/mod_proxy_hcheck.ts";
import proxyHttp from "./proxy_http/mod_proxy_http.ts";
import proxyWstunnel from "./proxy_wstunnel/mod_proxy_wstunnel.ts";
import remoteip from "./remoteip/mod_remoteip.ts";
import rewrite from "./rewrite/mod_rewrite.ts";
import setenvif from "./setenvif/mod_setenvif.ts";
import slotmemPlain from "./slotmem/mod_slotmem_plain.ts";
import slotmemShm from "./slotmem/mod_slotmem_shm.ts";
import status from "./status/mod_status.ts";
import stickyCookie from "./sticky/mod_sticky_cookie.ts";
import stickyRoute from "./sticky/mod_sticky_route.ts";
import uniqueId from "./unique_id/mod_unique_id.ts";

export const portablePlugins: readonly Module[] = [
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
  env,
  uniqueId,
  setenvif,
  headers,
  proxyHttp,
  proxyWstunnel,
  proxyFetch,
  proxyFtp,
  mime,
  proxyHcheck,
  authzCore,
  authzHost,
  authzUser,
  authzGroupfile,
  accessCompat,
  remoteip,
  authForward,
  logConfig,
  rewrite,
  alias,
  dir,
  balancerManager,
  sluiceApi,
  status,
] as readonly Module[];
