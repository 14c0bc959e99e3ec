/** The HTTP routes: health, statistics, sign-in, tasks, the agent's package, the dashboard; 410 for first-generation agents. */
import { defined } from '@rma/protocol/defined';
import { ProtocolError } from '@rma/protocol/error';
import { SOCKET_PATH } from '@rma/protocol/version';
import type { WorkerView } from '@rma/protocol/view';
import type { Logger } from 'pino';
import { originAllowed } from '../identity/origin.js';
import { sessionOf } from '../identity/session-cookie.js';
import { answerQuery, type QuerySource, statsOf } from '../query/query.js';
import { BodyTooLarge, type HttpRequest, type HttpResponse, RequestAborted } from '../socket/transport.js';
import { AGENT_PACKAGE, AgentPackage, agentUnit } from './agent-package.js';
import { type Caller, callerOf } from './caller.js';
import { json, problem } from './json.js';
import { joinInfo, makeCode, type SessionRoutes, signIn, signOut, whoAmI } from './session-routes.js';
import type { StaticFiles } from './static-files.js';
import { statusPage } from './status-page.js';
import { getBlob, getTask, postTask, type TaskRoutes } from './task-routes.js';

export interface HttpOptions extends TaskRoutes, SessionRoutes {
  /** The dashboard; undefined where it is not built. */
  readonly files: StaticFiles | undefined;
  readonly allowedOrigins: readonly string[];
  /** The pool's public address, where the admin configured one. */
  readonly publicUrl: string | undefined;
  readonly log: Logger;
}

type Route = (request: HttpRequest, match: RegExpExecArray) => HttpResponse | Promise<HttpResponse>;

type Routes = readonly (readonly [method: string, path: RegExp, route: Route])[];

function routesOf(options: HttpOptions): Routes {
  const { query, tokens, state } = options;
  const caller = (request: HttpRequest, roles: readonly ('admin' | 'client')[] = ['client', 'admin']) =>
    callerOf(request, tokens, state, query.wallMs(), roles);
  const agent = new AgentPackage(AGENT_PACKAGE, query.version);
  const adminStats: Route = async (request) => {
    const viewer = caller(request, ['admin']);
    return json(200, await answerQuery(query, viewer.asker, viewer, { what: 'stats' }));
  };
  const adminWorkers: Route = async (request) => {
    const viewer = caller(request, ['admin']);
    return json(200, { workers: await allWorkers(query, viewer) });
  };
  return [
    ['POST', /^\/api\/session$/, (request) => signIn(options, request)],
    ['GET', /^\/api\/session$/, (request) => whoAmI(options, request)],
    ['DELETE', /^\/api\/session$/, (request) => signOut(options, request)],
    ['POST', /^\/api\/session\/code$/, (request) => makeCode(options, request)],
    ['POST', /^\/api\/join-info$/, (request) => joinInfo(options, request)],
    ['GET', /^\/health$/, () => json(200, healthOf(options))],
    ['GET', /^\/agent(-[\w.-]+)?\.tgz$/, (request) => agent.answer(request)],
    ['GET', /^\/rma-worker\.service$/, agentUnit],
    ['GET', /^\/api\/admin\/stats$/, adminStats],
    ['GET', /^\/api\/admin\/workers$/, adminWorkers],
    ['POST', /^\/api\/tasks$/, (request) => postTask(options, caller(request), request)],
    ['GET', /^\/api\/tasks\/([^/]+)$/, (request, [, id]) => getTask(options, caller(request), request, id!)],
    ['GET', /^\/api\/blobs\/([0-9a-f]{64})$/, (request, [, blob]) => getBlob(options, caller(request), blob!)],
  ];
}

/** Answers every request: errors of the routes become responses, except that of a peer that disconnected. */
export function makeRequestHandler(options: HttpOptions): (request: HttpRequest) => Promise<HttpResponse> {
  const routes = routesOf(options);
  return async (request) => {
    try {
      return await route(options, routes, request);
    } catch (error) {
      if (error instanceof RequestAborted) throw error;
      if (error instanceof ProtocolError) return problem(error);
      if (error instanceof BodyTooLarge) {
        const message = `the body is above ${error.limitBytes} bytes; send large inputs with the SDK or \`rma submit --file\``;
        return problem(new ProtocolError('too_large', message));
      }
      options.log.error({ err: error, path: request.path }, 'a request failed');
      return problem(new ProtocolError('internal', 'the coordinator could not answer; its log says why'));
    }
  };
}

async function route(options: HttpOptions, routes: Routes, request: HttpRequest): Promise<HttpResponse> {
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (request.path.startsWith('/api/worker/')) return gone();
  if (method !== 'GET' && !originAllowed(request.headers, options.allowedOrigins)) {
    const origin = request.headers.get('origin') ?? '';
    return problem(
      new ProtocolError('forbidden', `the origin ${origin.slice(0, 200)} is not allowed here (--allowed-origin)`),
    );
  }
  // Browsers send Origin with every write: a cookie without one is a forged request (CSRF).
  if (method !== 'GET' && !request.headers.has('origin') && sessionOf(request.headers.get('cookie'))) {
    return problem(new ProtocolError('forbidden', 'a write with a cookie needs an Origin header'));
  }
  const isPage = !request.path.startsWith('/api/') && request.path !== SOCKET_PATH;
  let otherMethod = request.path === '/' && method !== 'GET';
  for (const [wanted, path, handle] of routes) {
    const match = path.exec(request.path);
    if (!match) continue;
    if (wanted === method) return handle(request, match);
    otherMethod = true;
  }
  if (otherMethod) return problem(new ProtocolError('invalid', `${request.method} is not possible here`), 405);
  if (method === 'GET' && isPage) {
    const page = options.files?.serve(request);
    if (page) return page;
    if (request.path === '/') return statusPage(statsOf(options.query), options.publicUrl, request.headers.get('host'));
  }
  return problem(new ProtocolError('not_found', `there is nothing at ${request.path.slice(0, 200)}`));
}

function gone(): HttpResponse {
  const message =
    'agents of the first generation polled here; this pool speaks WebSocket. Stop the old agent and run: rma-worker --url URL --token-file join.token';
  return json(410, { error: { kind: 'not_found', message } });
}

function healthOf(options: HttpOptions): unknown {
  const { workers, tasks, version, transport, uptimeSeconds, storage } = statsOf(options.query);
  return {
    status: 'ok',
    version,
    transport,
    workers: { online: workers.online, total: workers.total },
    tasks: { queued: tasks.queued, running: tasks.running },
    storage: storage.state,
    uptimeSeconds,
    ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }),
  };
}

/** All pages in one response: HTTP has no frame limit. */
async function allWorkers(query: QuerySource, viewer: Caller): Promise<WorkerView[]> {
  const all: WorkerView[] = [];
  for (;;) {
    const after = all.at(-1)?.id;
    const page = await answerQuery(query, viewer.asker, viewer, { what: 'workers', ...defined({ after }) });
    if (page.length === 0) return all;
    all.push(...page);
  }
}
