/** The only importer of pdf.js: opens a file and draws its pages. Loaded on first use, like its worker. */
import { GlobalWorkerOptions, getDocument, type PDFDocumentProxy } from 'pdfjs-dist/legacy/build/pdf.mjs';
import workerAddress from 'pdfjs-dist/legacy/build/pdf.worker.min.mjs?url';

GlobalWorkerOptions.workerSrc = workerAddress;

/** URLs of the character maps of Chinese, Japanese and Korean fonts, by file name, for PDFs that do not embed them. */
const characterMaps: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(
    import.meta.glob<string>('../../../../node_modules/pdfjs-dist/cmaps/*.bcmap', {
      query: '?url&no-inline',
      import: 'default',
      eager: true,
    }),
  ).map(([path, address]) => [path.split('/').at(-1)!, address]),
);

/** Serves pdf.js its own files. */
class PdfFiles {
  async fetch({ kind, filename }: { kind: string; filename: string }): Promise<Uint8Array> {
    const address = kind === 'cMapUrl' ? characterMaps[filename] : undefined;
    if (address === undefined) throw new Error(`there is no ${filename} here`);
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${filename} could not be loaded: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
}

export interface OpenPdf {
  readonly pages: number;
  /** Draws a page (from 1) in this width. */
  draw(page: number, canvas: HTMLCanvasElement, widthPx: number): Promise<void>;
  close(): Promise<void>;
}

/** @throws if the file is damaged or password-protected */
export async function openPdf(bytes: Uint8Array): Promise<OpenPdf> {
  // A copy: pdf.js transfers the buffer to its worker.
  const loading = getDocument({
    data: bytes.slice(),
    useWasm: false,
    useWorkerFetch: false,
    BinaryDataFactory: PdfFiles,
    cMapPacked: true,
    enableXfa: false,
    // For files that use standard fonts without embedding them.
    useSystemFonts: true,
  });
  const document: PDFDocumentProxy = await loading.promise;
  return {
    pages: document.numPages,
    async draw(number, canvas, widthPx) {
      const page = await document.getPage(number);
      const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      const scale = (widthPx * ratio) / page.getViewport({ scale: 1 }).width;
      const viewport = page.getViewport({ scale });
      canvas.width = Math.round(viewport.width);
      canvas.height = Math.round(viewport.height);
      await page.render({ canvas, viewport }).promise;
    },
    close: () => loading.destroy(),
  };
}
