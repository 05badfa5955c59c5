/**
 * What a ProxyHCExpr sees: the answer to a probe, in the place of a request.
 * Source: httpd modules/proxy/mod_proxy_hcheck.c hc_expr_func, hc_expr_var_fn
 */
import {
  CONTENT_TYPE,
  commonCall,
  commonVariable,
  type ExprSubject,
  type HeaderTable,
  type ServerRec,
} from "../../modules/mod.ts";

export interface ProbeAnswer {
  readonly method: string;
  readonly protocol: string;
  readonly status: number;
  readonly headers: HeaderTable;
  /** One character per byte; "" unless the method is GET. */
  readonly body: string;
}

export class ProbeSubject implements ExprSubject {
  groups: readonly string[] = [];
  private readonly server: ServerRec;
  private readonly answer: ProbeAnswer;

  constructor(server: ServerRec, answer: ProbeAnswer) {
    this.server = server;
    this.answer = answer;
  }

  variable(name: string): string {
    const { answer } = this;
    switch (name) {
      case "REQUEST_STATUS":
        return String(answer.status);
      case "REQUEST_METHOD":
        return answer.method;
      case "SERVER_PROTOCOL":
        return answer.protocol;
      case "SERVER_NAME":
        return this.server.hostname;
      case "CONTENT_TYPE":
        return answer.headers.getId(CONTENT_TYPE) ?? "";
      case "HC_BODY":
        return answer.body;
      default:
        return commonVariable(this.server.process, name);
    }
  }

  call(name: string, argument: string): string {
    switch (name) {
      case "resp":
        return this.answer.headers.get(argument) ?? "";
      case "hc":
        return argument.toLowerCase() === "body" ? this.answer.body : "";
      default:
        return commonCall(this.server.process.host, name, argument);
    }
  }
}
