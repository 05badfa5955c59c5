/**
 * What a plugin may import.
 */
export {
  ConfigError,
  configError,
  type Directive,
  didYouMean,
  errorAt,
  splitWords,
  takeWord,
  type Word,
} from "./config/directive.ts";
export { mergeRaw } from "./config/merge.ts";
export { compileRegex, matchGroups, namedGroups, RegexError } from "./config/regex.ts";
export { atoi, interval, parseInterval, whole } from "./config/units.ts";
export * from "./core/brigade.ts";
export * from "./core/bytes.ts";
export * from "./core/clock.ts";
export * from "./core/command.ts";
export * from "./core/error_log.ts";
export * from "./core/filter.ts";
export * from "./core/hooks.ts";
export * from "./core/host.ts";
export * from "./core/human_size.ts";
export * from "./core/ipsubnet.ts";
export * from "./core/method.ts";
export * from "./core/module.ts";
export * from "./core/only_child.ts";
export * from "./core/pending.ts";
export * from "./core/providers.ts";
export * from "./core/records.ts";
export * as z from "./core/schema.ts";
export * from "./core/shipped.ts";
export * from "./core/siblings.ts";
export * from "./core/status.ts";
export * from "./core/strftime.ts";
export * from "./core/table.ts";
export { flat } from "./core/text.ts";
export * from "./core/watched_file.ts";
export * from "./core/web_socket.ts";
export { frontTlsLimits } from "./front/server_options.ts";
export { NO_BODY, ZERO_BODY } from "./http/body_in.ts";
export { isAboveLimit, TOO_LARGE } from "./http/body_limit.ts";
export { departure } from "./http/body_out.ts";
export * from "./http/chunked.ts";
export { LINGER_MS, serveHttp } from "./http/connection.ts";
export { escapeHtml, signature } from "./http/error_response.ts";
export * from "./http/fetch_handler.ts";
export * from "./http/field_value.ts";
export { FilteredOut } from "./http/filtered_out.ts";
export * from "./http/head.ts";
export { dateOf, httpDate, prepareFields, serverOf, typeIsOwn } from "./http/header_out.ts";
export * from "./http/host.ts";
export { type HttpConfig, type HttpSettings, settingsOf, timeLeft } from "./http/http_config.ts";
export { default as http, handshakeTimeLeft } from "./http/mod_http.ts";
export {
  type ConnectionView,
  connectionClosed,
  connectionCount,
  connectionOpened,
  openConnections,
  room,
  type ServedConnection,
} from "./http/open_connections.ts";
export { internalRedirect, processRequest, type RequestEnd, refuseRequest } from "./http/process_request.ts";
export { alpnFor, alpnOf } from "./http/protocols.ts";
export { readRequest } from "./http/read_request.ts";
export { RequestHead, type RequestLimits } from "./http/request_head.ts";
export * from "./http/response_head.ts";
export { traceIsOff } from "./http/trace.ts";
export * from "./net/datagram.ts";
export * from "./net/socket.ts";
export * from "./proxy/acquire.ts";
export * from "./proxy/attempt.ts";
export * from "./proxy/backend.ts";
export * from "./proxy/balancer.ts";
export * from "./proxy/config.ts";
export * from "./proxy/conn_pool.ts";
export * from "./proxy/counters.ts";
export { lookElsewhere, type PoolFigures, poolFigures } from "./proxy/elsewhere.ts";
export * from "./proxy/failure.ts";
export * from "./proxy/headers.ts";
export * from "./proxy/health_check.ts";
export * from "./proxy/hooks.ts";
export * from "./proxy/lbmethod.ts";
export * from "./proxy/load_table.ts";
export * from "./proxy/meter.ts";
export * from "./proxy/meters.ts";
export { aliasMatch, expandGroups } from "./proxy/pass.ts";
export * from "./proxy/proxy_error.ts";
export { reverseMapHeaders } from "./proxy/reverse.ts";
export * from "./proxy/server_state.ts";
export * from "./proxy/sticky.ts";
export { proxyTo } from "./proxy/translate.ts";
export * from "./proxy/tunnel.ts";
export * from "./proxy/url.ts";
export { type Election, watchElections } from "./proxy/watch.ts";
export * from "./proxy/worker.ts";
export * from "./proxy/worker_state.ts";
export * from "./proxy/worker_url.ts";
export * from "./proxy_balancer/actions.ts";
export * from "./proxy_balancer/audit.ts";
export { configLines } from "./proxy_balancer/config_lines.ts";
export { forgetOverrides, type Override, overridesOf } from "./proxy_balancer/overrides.ts";
export * from "./proxy_balancer/preview.ts";
export * from "./proxy_balancer/settings.ts";
export * from "./proxy_balancer/shares.ts";
export * from "./proxy_balancer/state.ts";
export * from "./proxy_balancer/state_lines.ts";
export * from "./server/auth.ts";
export { beginConnection, serveConnection } from "./server/connection.ts";
export * from "./server/expr.ts";
export * from "./server/expr_subject.ts";
export { compileGlob } from "./server/glob.ts";
export * from "./server/handlers.ts";
export * from "./server/hooks.ts";
export * from "./server/inside.ts";
export { fileError, logFolderError } from "./server/lifecycle.ts";
export * from "./server/listener_tls.ts";
export { authNameOf, authTypeOf } from "./server/mod_authn_core.ts";
export {
  type CoreConfig,
  default as core,
  frontOf,
  type ListenSpec,
  SERVER_BUILT,
  serverToken,
} from "./server/mod_core.ts";
export * from "./server/remote_host.ts";
export { takeOver } from "./server/request.ts";
export * from "./server/server_name.ts";
export * from "./server/timeouts.ts";
export { authorityOf, canonicalizePath, defaultPort, escapeUri, hasControlOrSpace, parseUrl } from "./server/uri.ts";
export { vhostNamed, vhostsOf } from "./server/vhost.ts";
export { keepsEncodedSlashes, sectionWalk } from "./server/walk.ts";
export * from "./slotmem/slotmem.ts";
export * from "./slotmem/stripes.ts";
export * from "./slotmem/struct.ts";
export * from "./watchdog/hooks.ts";
export { Watchdog, type WatchdogName } from "./watchdog/watchdog.ts";
