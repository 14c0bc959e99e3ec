/** The environment variables of a handler process: enough to run, and nothing of this machine's that is secret. */

/** Holds the directory in which its workload keeps data; the agent makes it, with mode 0700. */
export const DATA_DIR_VARIABLE = 'RMA_DATA_DIR';

const INHERITED = ['PATH', 'TZ', 'LANG'] as const;
/** Windows cannot open sockets or find its own libraries without these. */
const INHERITED_ON_WINDOWS = ['SystemRoot', 'Path'] as const;

/**
 * The environment of a handler process: never a token, a proxy or a `NODE_OPTIONS` of the donor's.
 * `home` is a scratch directory; it is also where temporary files go.
 */
export function scrubEnvironment(source: NodeJS.ProcessEnv, home: string): Record<string, string> {
  const scrubbed: Record<string, string> = { HOME: home };
  const names: readonly string[] = process.platform === 'win32' ? [...INHERITED, ...INHERITED_ON_WINDOWS] : INHERITED;
  for (const name of names) {
    const value = source[name];
    if (value !== undefined) scrubbed[name] = value;
  }
  if (process.platform === 'win32') Object.assign(scrubbed, { USERPROFILE: home, TEMP: home, TMP: home });
  return scrubbed;
}
