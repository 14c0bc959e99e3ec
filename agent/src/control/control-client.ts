/** The commands' end of the control socket: one connection per request. */
import { connect } from 'node:net';
import { errorMessage, hasErrorCode } from '@rma/protocol/error';
import { AgentFault } from '../fault.js';
import { type ControlReply, type ControlRequest, controlAddress, controlProof } from './control-address.js';

/** A request before its proof is added. */
export type ControlCommand = ControlRequest extends infer R
  ? R extends ControlRequest
    ? Omit<R, 'proof'>
    : never
  : never;

const REPLY_MS = 10_000;

/**
 * Sends a request to the agent that runs on this state directory.
 * @returns the reply's value; `undefined` where no agent runs
 * @throws AgentFault when the agent refuses, or does not reply within `timeoutMs`
 */
export async function sendControl(stateDir: string, command: ControlCommand, timeoutMs = REPLY_MS): Promise<unknown> {
  let proof: string;
  try {
    proof = controlProof(stateDir);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw new AgentFault(
      `cannot read ${stateDir}: ${errorMessage(error)}. Run this as the user that rma-worker runs as, or give its --state DIR.`,
    );
  }
  const text = await exchange(controlAddress(stateDir), JSON.stringify({ ...command, proof }), timeoutMs);
  if (text === undefined) return undefined;
  let reply: ControlReply;
  try {
    reply = JSON.parse(text) as ControlReply;
  } catch {
    throw new AgentFault('the running rma-worker ended before it answered; look at its log');
  }
  if (!reply.ok) throw new AgentFault(reply.message);
  return reply.value;
}

function exchange(address: string, line: string, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(address);
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () => {
      socket.destroy();
      reject(new AgentFault(`the running rma-worker did not answer within ${timeoutMs / 1_000} s; look at its log`));
    });
    socket.once('connect', () => socket.write(`${line}\n`));
    socket.on('data', (data: string) => {
      text += data;
    });
    socket.once('end', () => resolve(text));
    socket.once('error', (error) => {
      // No listener: no agent runs, or one that was killed left its socket file behind.
      if (hasErrorCode(error, 'ENOENT', 'ECONNREFUSED')) resolve(undefined);
      else reject(new AgentFault(`cannot reach the running rma-worker at ${address}: ${error.message}`));
    });
  });
}
