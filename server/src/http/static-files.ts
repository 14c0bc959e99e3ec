/**
 * The dashboard's files, read once and served from memory: compressed as the build left them, immutable where their name
 * carries a hash, under a strict content security policy. A path that is no file is a page of the app.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import type { HttpRequest, HttpResponse } from '../socket/transport.js';

/** Guards against a wrong --dashboard directory being read into memory. */
const MAX_BYTES = 64 * 1_048_576;
const INDEX = ['index.html', '200.html'] as const;
/** File names below this path contain their content's hash. */
const IMMUTABLE = '/_app/immutable/';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};

/** The one style attribute that SvelteKit writes: it hides the element that announces page changes to screen readers. */
const ANNOUNCER_STYLE = 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo=';

interface File {
  readonly type: string;
  readonly etag: string;
  readonly isImmutable: boolean;
  readonly plain: Uint8Array;
  readonly br: Uint8Array | undefined;
  readonly gzip: Uint8Array | undefined;
}

export class StaticFiles {
  readonly #files: ReadonlyMap<string, File>;
  readonly #index: File;
  readonly #policy: string;

  private constructor(files: ReadonlyMap<string, File>, index: File) {
    this.#files = files;
    this.#index = index;
    this.#policy = policyFor(new TextDecoder().decode(index.plain));
  }

  /** Undefined where there is no build. @throws where the directory is far too large to be one */
  static open(directory: string): StaticFiles | undefined {
    if (!INDEX.some((name) => existsSync(join(directory, name)))) return undefined;
    const files = readFiles(directory);
    const index = INDEX.map((name) => files.get(`/${name}`)).find((file) => file !== undefined);
    return index && new StaticFiles(files, index);
  }

  /** Undefined for a path that is neither a file nor a page. */
  serve(request: HttpRequest): HttpResponse | undefined {
    const path = decoded(request.path);
    // An upgrade request on another path than the socket's must fail rather than get a page.
    if (path === undefined || request.headers.get('upgrade')) return undefined;
    const file = this.#files.get(path);
    if (file && file !== this.#index) return this.#answer(request, file);
    if (path !== '/' && file === undefined && (path.startsWith('/_app/') || extname(path) in TYPES)) return undefined;
    return this.#answer(request, this.#index);
  }

  #answer(request: HttpRequest, file: File): HttpResponse {
    const accepted = request.headers.get('accept-encoding') ?? '';
    const encoding = file.br && /\bbr\b/.test(accepted) ? 'br' : file.gzip && /\bgzip\b/.test(accepted) ? 'gzip' : '';
    const etag = encoding === '' ? `"${file.etag}"` : `"${file.etag}-${encoding}"`;
    const isPage = file.type.startsWith('text/html');
    const headers = {
      'content-type': file.type,
      'cache-control': file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
      etag,
      vary: 'accept-encoding',
      'x-content-type-options': 'nosniff',
      ...(encoding === '' ? {} : { 'content-encoding': encoding }),
      ...(isPage
        ? {
            'content-security-policy': this.#policy,
            'referrer-policy': 'no-referrer',
            'cross-origin-opener-policy': 'same-origin',
            'permissions-policy': 'camera=(), geolocation=(), microphone=()',
          }
        : {}),
    };
    const known = request.headers
      .get('if-none-match')
      ?.split(',')
      .map((tag) => tag.trim().replace(/^W\//, ''));
    if (known?.includes(etag) || known?.includes('*')) {
      const { 'content-type': _type, 'content-encoding': _encoding, ...rest } = headers;
      return { status: 304, headers: rest };
    }
    const body = encoding === 'br' ? file.br : encoding === 'gzip' ? file.gzip : file.plain;
    return { status: 200, headers, body: body ?? file.plain };
  }
}

/** Undefined for an invalid encoding. Files are looked up by name in memory: no path can leave the directory. */
function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function readFiles(directory: string): Map<string, File> {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((path) => join(directory, path));
  const files = new Map<string, File>();
  let total = 0;
  for (const path of paths) {
    if (!statSync(path).isFile() || /\.(br|gz)$/.test(path)) continue;
    const plain = readFileSync(path);
    const name = `/${relative(directory, path).split(sep).join('/')}`;
    const br = readOptional(`${path}.br`);
    const gzip = readOptional(`${path}.gz`);
    total += plain.length + (br?.length ?? 0) + (gzip?.length ?? 0);
    if (total > MAX_BYTES)
      throw new Error(`${directory} holds more than ${MAX_BYTES} bytes: is it the dashboard's build?`);
    files.set(name, {
      type: TYPES[extname(path)] ?? 'application/octet-stream',
      etag: createHash('sha256').update(plain).digest('base64url').slice(0, 22),
      isImmutable: name.startsWith(IMMUTABLE),
      plain,
      br,
      gzip,
    });
  }
  return files;
}

function readOptional(path: string): Uint8Array | undefined {
  return existsSync(path) ? readFileSync(path) : undefined;
}

/** Allows scripts and styles of this host, and inline ones by their hash; nothing else loads or connects. */
function policyFor(html: string): string {
  const hashes = (tag: 'script' | 'style') =>
    [...html.matchAll(new RegExp(`<${tag}(?![^>]*\\ssrc=)[^>]*>([\\s\\S]*?)</${tag}>`, 'g'))]
      .map(([, text]) => ` 'sha256-${createHash('sha256').update(text!).digest('base64')}'`)
      .join('');
  return [
    "default-src 'none'",
    `script-src 'self'${hashes('script')}`,
    `style-src 'self'${hashes('style')}`,
    `style-src-attr 'unsafe-hashes' '${ANNOUNCER_STYLE}'`,
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "media-src 'self' blob:",
    "worker-src 'self' blob:",
    'frame-src blob:',
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
}
