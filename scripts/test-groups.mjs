/**
 * Which test files run together, and what their reports sum up to. Pure: test.mjs does the running.
 */

/** So many files of the fast tests at once: some wait most of their time, others fill a core. */
const FAST_AT_ONCE = 4;

/**
 * Folders that fill the cores or kill processes: each group runs by itself, after the fast tests, so many files at once.
 * @type {readonly {folders: readonly string[], atOnce: number}[]}
 */
const HEAVY = [
  // Processes of their own, databases, browsers: each waits about a third of its time.
  {
    folders: [
      'tests/chaos/',
      'tests/compat/',
      'tests/dashboard/',
      'tests/durability/',
      'tests/e2e/',
      'tests/workloads/rag/',
      'tests/workloads/servers/',
    ],
    atOnce: 3,
  },
  { folders: ['tests/docker/'], atOnce: 1 },
  { folders: ['tests/images/'], atOnce: 1 },
];

/**
 * What takes minutes by itself: containers, how well retrieval works, and most pages of the dashboard (the way in, the
 * overview, a task, a donor's page and a coordinator's restart are always looked at). Only with `--all`, or when it is named.
 */
export const ON_REQUEST = [
  'tests/docker/',
  'tests/images/',
  'tests/workloads/rag/quality',
  ...['access', 'add', 'events', 'replaced', 'session', 'shell', 'tasks', 'try', 'worker', 'workloads'].map(
    (page) => `tests/dashboard/${page}`,
  ),
];

/**
 * What can differ on another Node with another transport: sockets and HTTP, SQLite's driver, the dialled side, the peers of
 * an earlier version, handlers in child processes, threads and native modules, and the first steps. The rest is the same
 * JavaScript, which the first Node runs. Parts of paths; a test holds that each names tests.
 */
export const SECOND_NODE = [
  'tests/socket/',
  'tests/http/',
  'tests/store/',
  'tests/durability/',
  'tests/compat/',
  'tests/peer/',
  'tests/client/blob',
  'tests/client/client',
  'tests/agent/link/',
  'tests/workloads/host/',
  'tests/workloads/vector/',
  'tests/workloads/servers/',
  'tests/e2e/first-steps',
  'tests/house/setup',
];

/** So many of the slowest files are named at the end. */
const SLOWEST = 10;

/** Options of vitest that take the next argument as their value. */
const WITH_VALUE = new Set([
  '-t',
  '--testNamePattern',
  '--bail',
  '--retry',
  '--testTimeout',
  '--hookTimeout',
  '--exclude',
]);

/**
 * @typedef {{name: string, files: string[], atOnce: number}} Group
 * @typedef {{passed: number, failed: number, skipped: number}} Counts
 * @typedef {{name?: string, status?: string, startTime?: number, endTime?: number, assertionResults?: unknown[]}} FileReport
 */

/**
 * @param {readonly string[]} args
 * @returns {{filters: string[], options: string[], all: boolean}} parts of paths to run, and what goes to vitest;
 *   `--second-node` stands for the filters in SECOND_NODE
 */
export function splitArgs(args) {
  /** @type {string[]} */
  const filters = [];
  /** @type {string[]} */
  const options = [];
  let all = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (arg === '--all') all = true;
    else if (arg === '--second-node') filters.push(...SECOND_NODE);
    else if (!arg.startsWith('-')) filters.push(arg.replace(/^\.\//, ''));
    else if (WITH_VALUE.has(arg)) options.push(arg, args[++i] ?? '');
    else options.push(arg);
  }
  return { filters, options, all };
}

/**
 * @param {readonly string[]} files
 * @param {readonly string[]} filters none means all but what runs on request
 * @param {boolean} all also what runs on request
 * @returns {Group[]} without empty ones, the fast first
 */
export function partition(files, filters, all) {
  const usual = (/** @type {string} */ file) => all || !ON_REQUEST.some((folder) => file.startsWith(folder));
  const wanted = files.filter((file) =>
    filters.length === 0 ? usual(file) : filters.some((filter) => file.includes(filter)),
  );
  const isIn = (/** @type {readonly string[]} */ folders) => (/** @type {string} */ file) =>
    folders.some((folder) => file.startsWith(folder));
  const heavy = isIn(HEAVY.flatMap(({ folders }) => folders));
  const groups = [{ name: 'fast tests', files: wanted.filter((file) => !heavy(file)), atOnce: FAST_AT_ONCE }];
  for (const { folders, atOnce } of HEAVY) {
    groups.push({ name: folders.join(' '), files: wanted.filter(isIn(folders)), atOnce });
  }
  return groups.filter((group) => group.files.length > 0);
}

/**
 * Counts one group. A file that fails outside its tests (a bad import, a hook) counts as a failure, and so does
 * a run that ended badly with nothing failed to show for it (a crash, an unhandled error, no report).
 * @param {unknown} report vitest's JSON report, undefined where there is none
 * @param {number} exitCode
 * @returns {Counts}
 */
export function countReport(report, exitCode) {
  const json = /** @type {Record<string, unknown>} */ (report ?? {});
  const broken = filesOf(report).filter(
    (file) => file.status === 'failed' && !file.assertionResults?.some(isFailed),
  ).length;
  const counts = {
    passed: Number(json.numPassedTests ?? 0),
    failed: Number(json.numFailedTests ?? 0) + broken,
    skipped: Number(json.numPendingTests ?? 0) + Number(json.numTodoTests ?? 0),
  };
  return counts.failed === 0 && (exitCode !== 0 || report === undefined) ? { ...counts, failed: 1 } : counts;
}

/**
 * The files that took longest, in lines for people. Times are of files that may have run beside others.
 * @param {readonly unknown[]} reports vitest's JSON reports
 * @returns {string[]}
 */
export function slowestFiles(reports) {
  return reports
    .flatMap((report) => filesOf(report))
    .map(({ name = '', startTime = 0, endTime = 0 }) => ({ name, tookMs: endTime - startTime }))
    .sort((a, b) => b.tookMs - a.tookMs)
    .slice(0, SLOWEST)
    .map(({ name, tookMs }) => `${(tookMs / 1_000).toFixed(1).padStart(6)} s  ${name.replace(/^.*(?=\btests\/)/, '')}`);
}

/** @param {unknown} report @returns {FileReport[]} */
function filesOf(report) {
  const { testResults } = /** @type {{testResults?: unknown}} */ (report ?? {});
  return Array.isArray(testResults) ? testResults : [];
}

/** @param {unknown} result */
function isFailed(result) {
  return typeof result === 'object' && result !== null && 'status' in result && result.status === 'failed';
}

/** @param {Counts} a @param {Counts} b @returns {Counts} */
export function addCounts(a, b) {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** Green means that something passed and nothing failed. @param {Counts} counts */
export function isGreen({ passed, failed }) {
  return failed === 0 && passed > 0;
}

/** @param {Counts} counts */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
