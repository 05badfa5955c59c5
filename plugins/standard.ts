/**
 * The modules that ship, in load order.
 */
import type { Module } from "../modules/mod.ts";
import alias from "./alias/mod_alias.ts";
import dir from "./alias/mod_dir.ts";
import bybusyness from "./lbmethod/mod_lbmethod_bybusyness.ts";
import byrequests from "./lbmethod/mod_lbmethod_byrequests.ts";
import bytraffic from "./lbmethod/mod_lbmethod_bytraffic.ts";
import proxyHttp from "./proxy_http/mod_proxy_http.ts";
import rewrite from "./rewrite/mod_rewrite.ts";
import slotmemPlain from "./slotmem/mod_slotmem_plain.ts";
import slotmemShm from "./slotmem/mod_slotmem_shm.ts";
import stickyRoute from "./sticky/mod_sticky_route.ts";

export const standardPlugins: readonly Module[] = [
  slotmemPlain,
  slotmemShm,
  byrequests,
  bytraffic,
  bybusyness,
  stickyRoute,
  proxyHttp,
  rewrite,
  alias,
  dir,
] as readonly Module[];
