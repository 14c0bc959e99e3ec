/** The page at `/` where the dashboard is not built: status and first commands. Plain HTML, no secrets, no script. */

import type { StatsView } from '@rma/protocol/view';
import type { HttpResponse } from '../socket/transport.js';

const STYLE = `:root{color-scheme:light dark;--ink:#14171c;--soft:#586070;--line:#dfe3ea;--back:#f6f7f9;--card:#fff;--go:#12805c}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf0;--soft:#9aa4b5;--line:#2a303b;--back:#0f1216;--card:#171b21;--go:#4cc79b}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:46rem;margin:0 auto;padding:clamp(1.5rem,5vw,4rem) 1.25rem}h1{font-size:1.6rem;margin:0 0 .25rem}
p{margin:.5rem 0;color:var(--soft)}dl{display:grid;grid-template-columns:repeat(2,1fr);gap:.75rem;margin:1.75rem 0}@media(min-width:40rem){dl{grid-template-columns:repeat(4,1fr)}}
dl div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem 1rem}dt{color:var(--soft);font-size:.85rem}
dd{margin:.15rem 0 0;font-size:1.5rem;font-variant-numeric:tabular-nums}.ok{color:var(--go)}h2{font-size:1rem;margin:2rem 0 .5rem}
pre{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem 1rem;margin:.5rem 0;font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere}
code{font-family:ui-monospace,monospace}`;

const number = (value: number) => value.toLocaleString('en-GB');

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds}\u00a0s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}\u00a0min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}\u00a0h` : `${Math.floor(seconds / 86_400)}\u00a0days`;
}

/** The request's Host as an address, if it is well-formed; https is assumed beyond loopback. */
function addressOf(host: string | undefined): string {
  if (host === undefined || !/^[a-z0-9.:[\]-]{1,255}$/i.test(host)) return 'https://THIS-HOST';
  return /^(localhost|127\.|\[::1\])/.test(host) ? `http://${host}` : `https://${host}`;
}

export function statusPage(stats: StatsView, publicUrl: string | undefined, host: string | undefined): HttpResponse {
  const url = publicUrl ?? addressOf(host);
  const cell = (name: string, value: string, mark = '') => `<div><dt>${name}</dt><dd${mark}>${value}</dd></div>`;
  const body = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>RMA Pool</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${STYLE}</style></head><body><main>
<h1>RMA Pool</h1><p>A community compute pool for AI work. This coordinator is up; version ${stats.version}, for ${duration(stats.uptimeSeconds)}, over ${stats.transport}; ${stats.storage.state === 'ok' ? 'there is room on its disk' : 'its disk is full, and new tasks are refused'}.</p>
<dl>${cell('Workers online', `${number(stats.workers.online)} of ${number(stats.workers.total)}`, stats.workers.online > 0 ? ' class="ok"' : '')}
${cell('Tasks running', number(stats.tasks.running))}${cell('Tasks queued', number(stats.tasks.queued))}
${cell('Tasks done', number(stats.tasks.byState.succeeded ?? 0))}</dl>
<h2>Lend this pool a machine</h2><p>Ask the admin for a join command; or, with a join token in join.token and Node.js 20.19 or later:</p>
<pre><code>npx --yes ${url}/agent.tgz --url ${url} --token-file join.token</code></pre>
<h2>Send it work</h2><p>With a client token in RMA_TOKEN:</p><pre><code>npx rma submit ocr.read --file scan.png --wait --url ${url}</code></pre>
<p>These figures are as of when this page was served.</p></main></body></html>`;
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    },
    body,
  };
}
