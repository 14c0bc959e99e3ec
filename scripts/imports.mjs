/**
 * The import directions of the project, as one table, and the check that holds the sources against it.
 * `npm run check` runs it, and so does tests/house/imports.test.ts. Cycles are Biome's (noImportCycles).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';

/** package: what it may import of the others; `package/module` admits that module alone. */
const PACKAGES = {
  protocol: [],
  peer: ['protocol'],
  workloads: ['protocol'],
  server: ['protocol', 'workloads/manifest', 'workloads/manifests'],
  agent: ['protocol', 'peer', 'workloads'],
  client: ['protocol', 'peer'],
  dashboard: ['protocol', 'client', 'workloads/manifest', 'workloads/manifests'],
};

/** Files that declare a port (types only): every layer above the core may import them. */
const PORTS = ['server/src/socket/transport.ts', 'server/src/store/store.ts'];

/** folder: the folders of the same package that it may import besides itself. Files directly in src/ may import all. */
const LAYERS = {
  'server/src/core/': [],
  'server/src/runtime/': ['server/src/core/'],
  'server/src/store/': ['server/src/core/', 'server/src/runtime/'],
  'server/src/identity/': ['server/src/core/', 'server/src/runtime/'],
  'server/src/catalog/': ['server/src/core/'],
  'server/src/blobs/': ['server/src/core/', 'server/src/runtime/'],
  'server/src/query/': ['server/src/core/', 'server/src/runtime/', 'server/src/store/'],
  'server/src/topics/': ['server/src/core/', 'server/src/runtime/', 'server/src/store/', 'server/src/query/'],
  'server/src/socket/': [
    'server/src/core/',
    'server/src/runtime/',
    'server/src/identity/',
    'server/src/blobs/',
    'server/src/query/',
    'server/src/topics/',
  ],
  'server/src/http/': [
    'server/src/core/',
    'server/src/runtime/',
    'server/src/identity/',
    'server/src/blobs/',
    'server/src/query/',
    'server/src/topics/',
  ],
};

/** What coordinator and dashboard read of the workloads: these import each other and the protocol, and so load no handler. */
const MANIFESTS = [
  'workloads/src/manifest.ts',
  'workloads/src/manifests.ts',
  'workloads/src/*/manifest.ts',
  'workloads/src/storage/collection-schemas.ts',
];

/** library: its doors, the only files that may import it. */
const DOORS = {
  'uWebSockets.js': ['server/src/socket/uws.ts'],
  ws: ['server/src/socket/ws.ts', 'peer/src/socket-node.ts'],
  'better-sqlite3': ['server/src/store/sqlite.ts', 'workloads/src/storage/sqlite.ts'],
  'better-sqlite3-node20': ['server/src/store/sqlite.ts', 'workloads/src/storage/sqlite.ts'],
  'sqlite-vec': ['workloads/src/storage/sqlite.ts'],
  postgres: ['workloads/src/postgres/client.ts'],
  '@electric-sql/pglite': ['workloads/src/postgres/pglite-process.ts'],
  '@electric-sql/pglite-socket': ['workloads/src/postgres/pglite-process.ts'],
  systeminformation: ['agent/src/probe/system.ts'],
  dockerode: ['agent/src/docker/engine/**'],
  'tar-stream': ['agent/src/docker/tar.ts'],
  yaml: ['server/src/config.ts', 'protocol/src/catalog-text.ts', 'agent/src/policy/yaml-reader.ts'],
  'eventsource-parser': ['agent/src/endpoint-runtime/sse.ts'],
  'node-llama-cpp': ['agent/src/gguf-runtime/llama.ts'],
  uplot: ['dashboard/src/lib/charts/**'],
  virtua: ['dashboard/src/lib/ui/**'],
  'pdfjs-dist': ['dashboard/src/lib/values/pdf.ts'],
};

/** Runs in browsers too, or has to be pure: no Node builtin ... */
const WITHOUT_BUILTINS = [
  'protocol/src/**',
  'peer/src/**',
  'client/src/**',
  'server/src/core/**',
  'dashboard/src/**',
  ...MANIFESTS,
];
/** ... but in these. */
const WITH_BUILTINS = ['client/src/cli/**', 'peer/src/*-node.ts'];

/**
 * @typedef {{file: string, line: number, specifier: string}} Import `file` from the root, with forward slashes
 * @typedef {{imports: Import[], declared: Record<string, string[]>}} Sources `declared`: each package's dependencies
 */

/**
 * Every import, re-export, dynamic import and require in the packages' sources.
 * @param {string} root
 * @returns {Promise<Sources>}
 */
export async function readImports(root) {
  // Here rather than at the top: this file is loaded before dependencies are installed.
  const { default: ts } = await import('typescript');
  /** @type {Import[]} */
  const imports = [];
  /** @type {Record<string, string[]>} */
  const declared = {};
  for (const name of Object.keys(PACKAGES)) {
    const manifest = JSON.parse(readFileSync(join(root, name, 'package.json'), 'utf8'));
    const { dependencies, optionalDependencies, peerDependencies, devDependencies } = manifest;
    // The dashboard is bundled: its users install none of these.
    const bundled = name === 'dashboard' ? devDependencies : {};
    declared[name] = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies, ...bundled });
    for (const path of readdirSync(join(root, name, 'src'), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(ts|svelte)$/.test(path)) continue;
      const file = `${name}/src/${path.replaceAll('\\', '/')}`;
      const text = path.endsWith('.svelte') ? scriptsOf(join(root, file)) : readFileSync(join(root, file), 'utf8');
      for (const { fileName, pos } of ts.preProcessFile(text, true, true).importedFiles) {
        imports.push({ file, line: text.slice(0, pos).split('\n').length, specifier: fileName });
      }
    }
  }
  return { imports, declared };
}

/** The text of a component's scripts, at their line numbers; all else is blanked. @param {string} path */
function scriptsOf(path) {
  const text = readFileSync(path, 'utf8');
  let kept = '';
  for (const { index, 0: script } of text.matchAll(/(?<=<script[^>]*>)[\s\S]*?(?=<\/script>)/g)) {
    kept += text.slice(kept.length, index).replace(/[^\n]/g, ' ') + script;
  }
  return kept;
}

/**
 * @param {Sources} sources
 * @returns {string[]} one sentence for each import that the table forbids
 */
export function violations({ imports, declared }) {
  return imports.flatMap(({ file, line, specifier }) => {
    const problem = specifier.startsWith('.')
      ? relativeProblem(file, specifier)
      : packageProblem(file, specifier, declared);
    return problem === undefined ? [] : [`${file}:${line} imports ${specifier}: ${problem}`];
  });
}

/** @param {string} file @param {string} specifier */
function relativeProblem(file, specifier) {
  const target = posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
  const own = `${packageOf(file)}/src/`;
  if (!target.startsWith(own))
    return `a relative import stays within ${own} (import @rma/${packageOf(target)}/... by its name)`;
  if (matches(file, MANIFESTS) && !matches(target, MANIFESTS)) return 'a manifest imports nothing but manifests';
  const layer = Object.entries(LAYERS).find(([folder]) => file.startsWith(folder));
  if (layer === undefined) return undefined;
  const [folder, others] = layer;
  const may = [folder, ...others];
  if (may.some((allowed) => target.startsWith(allowed))) return undefined;
  if (folder !== 'server/src/core/' && PORTS.includes(target)) return undefined;
  return `${folder} may import from ${may.join(', ')} only`;
}

/** @param {string} file @param {string} specifier @param {Record<string, string[]>} declared */
function packageProblem(file, specifier, declared) {
  const own = packageOf(file);
  // Chosen by the package's own "imports" field, such as the client's #socket for Node and browsers.
  if (specifier.startsWith('#')) return undefined;
  // SvelteKit's own names.
  if (own === 'dashboard' && (specifier.startsWith('$lib/') || specifier.startsWith('$app/'))) return undefined;
  if (isBuiltin(specifier)) {
    const allowed = !matches(file, WITHOUT_BUILTINS) || matches(file, WITH_BUILTINS);
    return allowed ? undefined : 'no Node builtin here: it runs in browsers, or must stay pure';
  }
  const library = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  if (library.startsWith('@rma/')) {
    const other = library.slice('@rma/'.length);
    const may = /** @type {Record<string, string[]>} */ (PACKAGES)[own] ?? [];
    return may.includes(other) || may.includes(specifier.slice('@rma/'.length))
      ? undefined
      : `${own} may import ${may.map((name) => `@rma/${name}`).join(', ') || 'no other package'}`;
  }
  if (matches(file, MANIFESTS)) return 'a manifest imports nothing but manifests';
  if (!declared[own]?.includes(library)) return `${library} is not a dependency in ${own}/package.json`;
  const doors = /** @type {Record<string, string[]>} */ (DOORS)[library];
  if (doors !== undefined && !matches(file, doors)) return `only ${doors.join(', ')} may import ${library}`;
  if (file.startsWith('server/src/core/')) return 'server/src/core/ imports nothing but itself and @rma/protocol';
  return undefined;
}

/** @param {string} file */
function packageOf(file) {
  return file.split('/')[0] ?? '';
}

/** @param {string} file @param {readonly string[]} patterns paths; `**` stands for anything, `*` for anything but a slash */
function matches(file, patterns) {
  return patterns.some((pattern) => {
    const source = pattern
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replace(/\*\*|\*/g, (star) => (star === '**' ? '.*' : '[^/]*'));
    return new RegExp(`^${source}$`).test(file);
  });
}
