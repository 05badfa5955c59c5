const known = new Set(
  (
    "GET HEAD POST PUT DELETE OPTIONS TRACE CONNECT PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK VERSION-CONTROL " +
    "CHECKOUT UNCHECKOUT CHECKIN UPDATE LABEL REPORT MKWORKSPACE MKACTIVITY BASELINE-CONTROL MERGE"
  ).split(" "),
);

/** The methods that the server knows by name. Source: httpd modules/http/http_protocol.c, ap_method_registry_init */
export const KNOWN_METHODS: ReadonlySet<string> = known;

/** Makes a method known until the program ends. Source: httpd ap_method_register */
export function registerMethod(name: string): void {
  known.add(name);
}
