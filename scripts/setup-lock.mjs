/**
 * One setup at a time in one checkout: a file at the root that names its holder. A second run waits. A lock
 * whose holder is gone (no such process here, or no sign of life for a while) is taken over.
 */
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const HEARTBEAT_MS = 2_000;
const SILENT_MS = 30_000;
const RETRY_MS = 200;

/**
 * Runs `work` while holding the lock.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @param {(holder: string) => void} onWait called once if somebody else holds it
 * @returns {Promise<T>}
 */
export async function withLock(path, work, onWait) {
  const mine = JSON.stringify({ pid: process.pid, host: hostname() });
  let waited = false;
  while (!take(path, mine)) {
    const holder = read(path);
    if (holder === undefined) continue;
    if (isGone(path, holder)) {
      evict(path, holder);
      continue;
    }
    if (!waited) onWait(describe(holder));
    waited = true;
    await sleep(RETRY_MS);
  }
  const heartbeat = setInterval(() => touch(path), HEARTBEAT_MS);
  const release = () => {
    if (read(path) === mine) rmSync(path, { force: true });
  };
  process.on('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.off('exit', release);
    release();
  }
}

/** @param {string} path @param {string} content */
function take(path, content) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, content);
  try {
    // A link appears with its content already in it, so nobody ever reads an empty lock.
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** @param {string} path @returns {string | undefined} */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param {string} path @param {string} content */
function isGone(path, content) {
  const holder = parse(content);
  if (holder === undefined) return true;
  if (holder.host === hostname() && !isAlive(holder.pid)) return true;
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > SILENT_MS;
}

/**
 * Removes a dead holder's lock. Two processes may try at once: the one that moved a fresh lock by mistake puts it back.
 * @param {string} path
 * @param {string} content
 */
function evict(path, content) {
  const aside = `${path}.old.${process.pid}`;
  try {
    renameSync(path, aside);
    if (read(aside) !== content) linkSync(aside, path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** @param {string} path */
function touch(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {string} content @returns {{pid: number, host: string} | undefined} */
function parse(content) {
  try {
    const value = JSON.parse(content);
    return typeof value?.pid === 'number' && typeof value?.host === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} content */
function describe(content) {
  const holder = parse(content);
  return holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
