/**
 * What a plugin may import.
 */
export * from "./core/brigade.ts";
export * from "./core/bytes.ts";
export * from "./core/clock.ts";
export * from "./core/command.ts";
export * from "./core/error_log.ts";
export * from "./core/filter.ts";
export * from "./core/hooks.ts";
export * from "./core/module.ts";
export * from "./core/providers.ts";
export * from "./core/records.ts";
export * from "./core/status.ts";
export * from "./core/table.ts";
export * from "./http/chunked.ts";
export * from "./http/head.ts";
export * from "./net/socket.ts";
export * from "./proxy/attempt.ts";
export * from "./proxy/backend.ts";
export * from "./proxy/balancer.ts";
export * from "./proxy/config.ts";
export * from "./proxy/conn_pool.ts";
export * from "./proxy/failure.ts";
export * from "./proxy/headers.ts";
export * from "./proxy/hooks.ts";
export * from "./proxy/lbmethod.ts";
export * from "./proxy/proxy_error.ts";
export { reverseMapHeaders } from "./proxy/reverse.ts";
export * from "./proxy/sticky.ts";
export * from "./proxy/url.ts";
export * from "./proxy/worker.ts";
export * from "./server/timeouts.ts";
export * from "./slotmem/slotmem.ts";
export * from "./slotmem/struct.ts";
