/** `document.extract`: the text of a PDF, DOCX, HTML, XLSX or text file. */
import {
  BYTES,
  defineWorkload,
  inputOf,
  listOf,
  NAME_AND_TYPE,
  outputOf,
  STRING,
  statelessDefaults,
} from '../manifest.js';

/** Of the file itself, in MiB: what reading it takes in memory grows with it. */
export const MAX_FILE_MIB = { text: 20, html: 10 } as const;
/** Of its XML once unpacked, in MiB: a document's becomes a tree of up to 80 times its size, a workbook's is streamed. */
export const MAX_XML_MIB = { docx: 12, xlsx: 64 } as const;
export const MAX_PDF_CHARACTERS = 20_000_000;

/**
 * Memory, idle 46 MiB, at the limits above: PDF of 19 MB of text 266; DOCX of 10 MB of plain paragraphs 234, of 12 MiB of
 * XML with every word its own run 961; XLSX of 61 MiB of XML 467; HTML of 10 MiB, all table cells, 509; text of 20 MiB of
 * one-letter lines 514. The slowest, the PDF, took 50 s on a busy core.
 */
export const document = defineWorkload({
  name: 'document',
  host: 'processes',
  slots: 'cores',
  memoryMiB: 1_280,
  defaultTimeoutMs: 180_000,
  kinds: {
    'document.extract': {
      about: 'Takes the text out of a PDF, DOCX, HTML, XLSX or text file, with its pages or sheets.',
      input: inputOf({ file: BYTES, ...NAME_AND_TYPE }, ['file']),
      output: outputOf(
        { type: { enum: ['pdf', 'docx', 'html', 'xlsx', 'text'] }, text: STRING },
        {
          title: STRING,
          pages: listOf(outputOf({ number: { type: 'integer', minimum: 1 }, text: STRING })),
          sheets: listOf(
            outputOf({ name: STRING, rows: listOf(listOf({ type: ['string', 'number', 'boolean', 'null'] })) }),
          ),
        },
      ),
      examples: [{ input: {}, file: 'docs/samples/letter.pdf' }],
      form: {
        group: 'Documents',
        mode: 'file',
        fileName: 'report.pdf',
        accept: '.pdf,.docx,.html,.htm,.xlsx,.txt,.md,.csv',
      },
    },
  },
  catalog: statelessDefaults('document', 'Text of PDF, DOCX, XLSX and HTML files', 2_048),
});
