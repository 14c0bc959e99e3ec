/** `ocr.read`: the text of a scan or photograph. */
import { BYTES, defineWorkload, inputOf, listOf, NUMBER, outputOf, STRING, statelessDefaults } from '../manifest.js';

/** The one model that is installed. */
export const LANGUAGE = 'eng';
/** A page of A4 at 600 dpi has 35 megapixels; the process then holds up to 700 MB. */
export const MAX_MEGAPIXELS = 40;
/** The engine's own limit for one side. */
export const MAX_SIDE_PIXELS = 32_767;

const SHARE = { type: 'number', minimum: 0, maximum: 1 };

/** Memory: idle 129 MiB; a scanned A4 page 159, an image of 40 megapixels 432; dense pages take more. */
export const ocr = defineWorkload({
  name: 'ocr',
  host: 'processes',
  slots: 'cores',
  memoryMiB: 1_024,
  defaultTimeoutMs: 180_000,
  kinds: {
    'ocr.read': {
      about: 'Reads the text of a scan or photograph, with its lines and where they stand.',
      input: inputOf({ file: BYTES, language: { enum: [LANGUAGE, null] } }, ['file']),
      output: outputOf({
        text: STRING,
        confidence: SHARE,
        lines: listOf(
          outputOf({
            text: STRING,
            confidence: SHARE,
            box: outputOf({ x: NUMBER, y: NUMBER, width: NUMBER, height: NUMBER }),
          }),
        ),
      }),
      examples: [{ input: {}, file: 'docs/samples/letter.png' }],
      form: {
        group: 'Documents',
        mode: 'file',
        fileName: 'scan.png',
        accept: 'image/png,image/jpeg,image/bmp,image/webp,image/gif',
      },
    },
  },
  catalog: statelessDefaults('ocr', 'Text of scans and photographs', 1_536),
});
