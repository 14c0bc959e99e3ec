/**
 * `ocr.read`: the text of a scanned image, with its lines and where they stand, by Tesseract in WebAssembly with the
 * English model from the package `@tesseract.js-data/eng`. Works offline. Confidences are from 0 to 1, boxes in pixels.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { errorMessage } from '@rma/protocol/error';
import type { Worker } from 'tesseract.js';
import { asBytes, asMap, asOptionalText, invalid } from '../input.js';
import { type HandlersOf, type TaskContext, TaskError } from '../runtime.js';
import { readImageHeader } from './image-header.js';
import { LANGUAGE, MAX_MEGAPIXELS, MAX_SIDE_PIXELS, type ocr as manifest } from './manifest.js';

export interface OcrBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface OcrLine {
  readonly text: string;
  readonly confidence: number;
  readonly box: OcrBox;
}

/** What `ocr.read` answers. */
export interface OcrOutput {
  readonly text: string;
  readonly confidence: number;
  readonly lines: readonly OcrLine[];
}

let engine: Promise<Worker> | undefined;
let onProgress: ((fraction: number) => void) | undefined;

function start(): Promise<Worker> {
  engine ??= (async () => {
    const { createWorker, OEM } = (await import('tesseract.js')).default;
    const model = dirname(createRequire(import.meta.url).resolve('@tesseract.js-data/eng/package.json'));
    return createWorker(LANGUAGE, OEM.LSTM_ONLY, {
      langPath: join(model, '4.0.0_best_int'),
      gzip: true,
      cacheMethod: 'none',
      logger: ({ status, progress }) => {
        if (status === 'recognizing text') onProgress?.(progress);
      },
      // Without one, the library throws outside of any promise. The same error rejects the call that caused it.
      errorHandler: () => undefined,
    });
  })();
  return engine;
}

async function discard(): Promise<void> {
  const old = engine;
  engine = undefined;
  if (old) await (await old).terminate();
}

function check(input: unknown): Uint8Array {
  const { file, language } = asMap(input, '{ file }');
  const bytes = asBytes(file, 'input.file');
  const wanted = asOptionalText(language, 'input.language') ?? LANGUAGE;
  if (wanted !== LANGUAGE) {
    throw new TaskError(
      'input.unsupported',
      `input.language: '${wanted}' is not installed on this worker; it reads '${LANGUAGE}'.`,
    );
  }
  const header = readImageHeader(bytes);
  if (header === undefined) throw unsupported(bytes);
  if (header === 'damaged') throw damaged('its header is cut off or contradicts itself');
  const { width, height } = header;
  if (width > MAX_SIDE_PIXELS || height > MAX_SIDE_PIXELS || width * height > MAX_MEGAPIXELS * 1e6) {
    const limit = `at most ${MAX_MEGAPIXELS} megapixels and ${MAX_SIDE_PIXELS} pixels a side`;
    throw invalid(
      'input.file',
      `expected ${limit}, got an image of ${width} × ${height}; 300 dpi is enough for a page`,
    );
  }
  return bytes;
}

function unsupported(bytes: Uint8Array): TaskError {
  const isPdf = Buffer.from(bytes.subarray(0, 5)).toString('latin1') === '%PDF-';
  const advice = isPdf
    ? 'this is a PDF: send it to document.extract, or render its pages as PNG'
    : 'expected an image: PNG, JPEG, WebP, BMP or PNM; convert it first';
  return new TaskError('input.unsupported', `input.file: ${advice}.`);
}

function damaged(why: string): TaskError {
  return new TaskError('input.damaged', `input.file: the image is damaged (${why}). Scan or export it again.`);
}

async function read(input: unknown, context: TaskContext): Promise<OcrOutput> {
  const file = check(input);
  const worker = await start();
  context.signal.throwIfAborted();
  onProgress = (fraction) => context.progress(fraction);
  // The engine cannot be interrupted; its thread can be ended, and the next task starts another.
  let stop: () => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(context.signal.reason);
  });
  context.signal.addEventListener('abort', stop, { once: true });
  try {
    const { data } = await Promise.race([
      worker.recognize(Buffer.from(file.buffer), {}, { text: true, blocks: true }),
      stopped,
    ]);
    const lines = (data.blocks ?? []).flatMap((block) => block.paragraphs.flatMap((paragraph) => paragraph.lines));
    return {
      text: data.text.trimEnd(),
      confidence: share(data.confidence),
      lines: lines.map(({ text, confidence, bbox }) => ({
        text: text.trimEnd(),
        confidence: share(confidence),
        box: { x: bbox.x0, y: bbox.y0, width: bbox.x1 - bbox.x0, height: bbox.y1 - bbox.y0 },
      })),
    };
  } catch (error) {
    // After a failure the engine's memory may be in any state.
    await discard();
    if (context.signal.aborted) throw context.signal.reason;
    const why = errorMessage(error);
    if (/read(ing)? image/i.test(why)) throw damaged('its pixels cannot be decoded');
    throw new Error(`the OCR engine failed: ${why}`);
  } finally {
    onProgress = undefined;
    context.signal.removeEventListener('abort', stop);
  }
}

/** Tesseract counts per cent. */
function share(confidence: number): number {
  return Math.round(confidence * 10) / 1_000;
}

export const handlers: HandlersOf<typeof manifest> = { 'ocr.read': read };

/** Loads the model, so that the first task starts to read at once. */
export async function warm(): Promise<void> {
  await start();
}
