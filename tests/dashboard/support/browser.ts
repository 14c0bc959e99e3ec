/// <reference lib="dom" />
/**
 * A real Chromium for the tests of a file, and pages in it that are signed in. After each test the pages are closed, and
 * none of them may have seen an error: not on the console, not thrown, not by the content security policy.
 */
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, expect } from 'vitest';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--js-flags=--expose-gc',
];

export interface PageOptions {
  /** Where the coordinator is. */
  readonly url: string;
  /** Signs in with it first; without one nobody is signed in. */
  readonly token?: string;
  readonly path?: string;
  /** px; default 1440 by 900 */
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  /** By how much the machine's clock is wrong, ms. */
  readonly clockOffsetMs?: number;
  /** The page's time goes on by itself, and `page.clock` can move it on. */
  readonly isTimeMovable?: boolean;
}

export class TestBrowser {
  #starting: Promise<Browser> | undefined;
  #contexts: BrowserContext[] = [];
  /** Errors on the pages of this test; expected ones are declared with `forgive`. */
  #errors: string[] = [];
  #forgiven: RegExp[] = [];

  async stop(): Promise<void> {
    const browser = await this.#starting;
    await browser?.close();
  }

  /** A page of its own session. The first one starts the browser: a file whose tests are skipped needs none. */
  async open(options: PageOptions): Promise<Page> {
    const { url, token, path = '/', width = 1440, height = 900, scheme = 'light', clockOffsetMs = 0 } = options;
    const { isTimeMovable = false } = options;
    this.#starting ??= chromium.launch({ executablePath: chromiumPath(), args: ARGUMENTS });
    const browser = await this.#starting;
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      baseURL: url,
    });
    this.#contexts.push(context);
    if (isTimeMovable) await context.clock.install();
    if (clockOffsetMs !== 0) await context.addInitScript(setClock, clockOffsetMs);
    if (token !== undefined) {
      const response = await context.request.post('/api/session', { data: { token }, headers: { origin: url } });
      if (!response.ok()) throw new Error(`signing in: ${response.status()} ${await response.text()}`);
    }
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') this.#errors.push(`${page.url()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.#errors.push(`${page.url()} threw: ${error.stack ?? error.message}`));
    await page.goto(path);
    return page;
  }

  /** Ignores errors that this test provokes, past and future ones: a page reports them with a delay. */
  forgive(pattern: RegExp): void {
    this.#forgiven.push(pattern);
  }

  async closePages(): Promise<readonly string[]> {
    for (const context of this.#contexts.splice(0)) await context.close();
    const forgiven = this.#forgiven.splice(0);
    return this.#errors.splice(0).filter((error) => !forgiven.some((pattern) => pattern.test(error)));
  }
}

/** One browser for all tests of a file. */
export function useBrowser(): TestBrowser {
  const browser = new TestBrowser();
  afterAll(() => browser.stop());
  afterEach(async () => {
    expect(await browser.closePages()).toEqual([]);
  });
  return browser;
}

/** What a page logs while its coordinator is away. */
export const CONNECTION_LOST = /WebSocket connection to|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET/;

/** The sign that the page has its connection. */
export const live = (page: Page) => page.getByText('Live', { exact: true }).filter({ visible: true });

/** Marks the page; a reload loses the mark. */
export const mark = (page: Page) => page.evaluate(() => Object.assign(globalThis, { isMarked: true }));
export const isMarked = (page: Page) => page.evaluate(() => 'isMarked' in globalThis);

/** Runs in the page, before its scripts. */
function setClock(offsetMs: number): void {
  const Right = Date;
  class Wrong extends Right {
    constructor(...args: []) {
      super(...(args.length === 0 ? ([Right.now() + offsetMs] as unknown as []) : args));
    }
    static override now(): number {
      return Right.now() + offsetMs;
    }
  }
  globalThis.Date = Wrong as DateConstructor;
}

function chromiumPath(): string {
  return process.env.RMA_TEST_CHROMIUM ?? '/usr/bin/chromium';
}
