/** Turns messages of engines into reasons that say what to do. Pure. */
import { plainLine } from '../plain-line.js';

const GONE_CODES = [
  'ECONNREFUSED',
  'ENOENT',
  'ECONNRESET',
  'EPIPE',
  'EACCES',
  'EPERM',
  'ETIMEDOUT',
  'ENOTFOUND',
  'ECONNABORTED',
];

/** Whether an error without a status means that the engine itself does not answer. */
export function isGone(code: string | undefined, message: string): boolean {
  return (
    (code !== undefined && GONE_CODES.includes(code)) ||
    /socket hang up|aborted|terminated|premature close/i.test(message)
  );
}

/** Why an image could not be pulled. */
export function pullReason(image: string, message: string): string {
  if (/no space left on device|disk quota exceeded/i.test(message)) {
    return `no space left on device while pulling ${image}: make room on the engine's disk (docker system prune)`;
  }
  if (
    image.includes('@') &&
    /manifest.*(unknown|not found)|not found|digest.*mismatch|verification failed/i.test(message)
  ) {
    return `the registry has no image ${image}: is the digest right? (${plainLine(message)})`;
  }
  if (/manifest.*(unknown|not found)|not found|does not exist|repository name not known/i.test(message)) {
    return `image ${image} does not exist, or may not be pulled (${plainLine(message)})`;
  }
  if (/unauthorized|denied|authentication required/i.test(message)) {
    return `image ${image} does not exist, or the registry wants a login (${plainLine(message)})`;
  }
  if (/no such host|connection refused|timeout|network is unreachable|dial tcp|TLS|EOF/i.test(message)) {
    return `the registry of ${image} cannot be reached (${plainLine(message)})`;
  }
  return `image ${image} could not be pulled: ${plainLine(message)}`;
}

/** Why a container could not be created or started. */
export function startReason(message: string): string {
  if (
    /could not select device driver|nvidia-container|no known GPU vendor|libcuda|nvml|unresolvable CDI/i.test(message)
  ) {
    return `the engine cannot give GPUs to containers: install the NVIDIA Container Toolkit and restart the engine (${plainLine(message, 160)})`;
  }
  if (/no space left on device/i.test(message))
    return `no space left on device: make room on the engine's disk (${plainLine(message, 160)})`;
  if (/executable file not found|no such file or directory.*exec|OCI runtime create failed/i.test(message)) {
    return `its command cannot be run: ${plainLine(message)}`;
  }
  return `cannot be started: ${plainLine(message)}`;
}

/** How a container exited. `times`: consecutive exits. */
export function exitReason(exit: {
  exitCode: number;
  oomKilled: boolean;
  times: number;
  memoryMiB: number;
  lastLine: string;
}): string {
  const { exitCode, oomKilled, times, memoryMiB, lastLine } = exit;
  const how = oomKilled ? `was killed above its ${memoryMiB} MiB of memory` : `exited with ${exitCode}`;
  const often = times <= 1 ? '' : times === 2 ? ' twice' : times === 3 ? ' three times' : ` ${times} times`;
  return `${how}${often}${lastLine === '' ? '' : `: ${plainLine(lastLine)}`}`;
}
