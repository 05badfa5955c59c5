/**
 * What a hook or handler answers: OK, DECLINED, DONE or an HTTP status.
 * Source: httpd include/httpd.h, modules/http/http_protocol.c
 */
export type Status = number;

/** The phase is served; a run-first chain ends here. */
export const OK: Status = 0;
/** Not mine: ask the next module. */
export const DECLINED: Status = -1;
/** The response was sent (or the connection given up) already; nothing is left to do but to log. */
export const DONE: Status = -2;

const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  226: "IM Used",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Request Entity Too Large",
  414: "Request-URI Too Long",
  415: "Unsupported Media Type",
  416: "Requested Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Entity",
  423: "Locked",
  424: "Failed Dependency",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  510: "Not Extended",
  511: "Network Authentication Required",
};

/** The reason phrase of an HTTP status; an unknown status has that of 500, as in httpd. */
export function reasonPhrase(status: Status): string {
  return REASONS[status] ?? "Internal Server Error";
}

/** Whether httpd knows a status: others become 500. */
export function hasReason(status: Status): boolean {
  return REASONS[status] !== undefined;
}

/** Whether a response of this status has no body whatever its fields say (RFC 9110, section 6.4.1). */
export function hasNoBody(status: Status): boolean {
  return status === 204 || status === 304 || (status >= 100 && status < 200);
}
