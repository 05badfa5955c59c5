/**
 * Every hook of the server, in the order in which they run.
 * Source: httpd include/http_config.h, http_connection.h, http_request.h, http_protocol.h
 */
import { runAll, runFirst, runVoid } from "../core/hooks.ts";
import type { ConnRec, ProcessRec, RequestRec, ServerRec } from "../core/records.ts";
import type { Socket } from "../net/socket.ts";

// Once for each configuration that is read

/** The tree was read and every directive ran: check it. An Error thrown here is a configuration error. No side effects. */
export const checkConfig = runVoid<[generation: ProcessRec]>("check_config");
/**
 * Open the logs, while the program may still be root's. An Error thrown here keeps the program from starting, or the reload
 * from happening. Where children are started, not in a child: `openLog` answers these files there, too.
 */
export const openLogs = runVoid<[generation: ProcessRec]>("open_logs");
/** Build what the configuration describes. Not run for a syntax check. */
export const postConfig = runVoid<[generation: ProcessRec, previous: ProcessRec | null]>("post_config");
/** An event loop starts to serve. */
export const childInit = runVoid<[generation: ProcessRec, main: ServerRec]>("child_init");
/** This configuration serves nothing any more; let go of what it holds. */
export const childExit = runVoid<[generation: ProcessRec]>("child_exit");

/** A child ended without its leave: put right what it left behind. Where children are started, not in a child. */
export const childDied = runVoid<[generation: ProcessRec, child: number]>("child_died");

// Once for each connection

/**
 * A layer below the connection's protocol, such as TLS: OK takes the socket; `serveConnection` is called when it is ready, or
 * `beginConnection`, for the layers above.
 */
export const preConnection = runFirst<[conn: ConnRec, socket: Socket]>("pre_connection");

/** Speaks the connection's protocol; it owns the socket from here on. */
export const processConnection = runFirst<[conn: ConnRec, socket: Socket]>("process_connection");

// Once for each request, in this order

/** The head was read and the virtual host chosen. */
export const postReadRequest = runAll<[r: RequestRec]>("post_read_request");
/** Maps the path while it is still percent-encoded. */
export const preTranslateName = runFirst<[r: RequestRec]>("pre_translate_name");
/** Maps the decoded path: sets `filename`. */
export const translateName = runFirst<[r: RequestRec]>("translate_name");
/** The sections that match are known for what the request was mapped to. */
export const mapToStorage = runFirst<[r: RequestRec]>("map_to_storage");
/** The sections that apply are known; the request's fields may be read with them. */
export const headerParser = runAll<[r: RequestRec]>("header_parser");
/** Does one suffice of what `access_checker` says and what the hooks behind it say? OK: yes (`Satisfy Any`). */
export const satisfyAny = runFirst<[r: RequestRec]>("satisfy_any");
/** May this address, or this environment, have it? */
export const accessChecker = runAll<[r: RequestRec]>("access_checker");
/** May it be had whoever asks? DECLINED: that depends on the user. */
export const accessCheckerEx = runFirst<[r: RequestRec]>("access_checker_ex");
/** Who asks? Sets `user`. */
export const checkUserId = runFirst<[r: RequestRec]>("check_user_id");
/** May this user have it? */
export const authChecker = runFirst<[r: RequestRec]>("auth_checker");
/** A user that was proved may not: the field that asks for another one. */
export const noteAuthFailure = runFirst<[r: RequestRec, authType: string]>("note_auth_failure");
/** Does the configuration say who may have it? OK: it does. Asked for what shows or changes the server's inside. */
export const restrictsAccess = runFirst<[r: RequestRec]>("restricts_access");
/** Last changes before the content is made. */
export const fixups = runAll<[r: RequestRec]>("fixups");
/** Makes the content. */
export const handler = runFirst<[r: RequestRec]>("handler", { promiseDecides: true });
/** The head of a page that the server makes for an error is about to be written. */
export const insertErrorFilter = runVoid<[r: RequestRec]>("insert_error_filter");
/** The response's head is about to be written. */
export const insertFilter = runVoid<[r: RequestRec]>("insert_filter");
/** The response is complete, or given up. */
export const logTransaction = runAll<[r: RequestRec]>("log_transaction");
