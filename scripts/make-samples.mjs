#!/usr/bin/env node
/**
 * Makes docs/samples and the damaged inputs of the tests anew. They are committed: run this only to change them.
 * It needs ghostscript, qpdf, the Liberation fonts, and libraries that are no dependency of the project:
 *   npm install --prefix DIR pdfkit@0.20 docx@9 write-excel-file@4 sharp@0.35
 *   node scripts/make-samples.mjs DIR
 */
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const libraries = process.argv[2];
if (libraries === undefined) {
  process.stderr.write(
    'usage: node scripts/make-samples.mjs DIR   (a directory with the libraries named in this file)\n',
  );
  process.exit(1);
}
const load = createRequire(join(resolve(libraries), 'package.json'));
const PDFDocument = load('pdfkit');
const docx = load('docx');
const writeXlsx = load('write-excel-file/node').default ?? load('write-excel-file/node');
const sharp = load('sharp');

const root = fileURLToPath(new URL('..', import.meta.url));
const samples = join(root, 'docs/samples');
const fixtures = join(root, 'tests/workloads/host/fixtures');
const FONTS = '/usr/share/fonts/truetype/liberation';

const LETTERHEAD = ['Harbour & Finch Solicitors LLP', '27 Queen Square, Bristol BS1 4QP', 'Telephone 0117 496 0142'];
const ADDRESS = ['Mrs Margaret Whitfield', '14 Mill Lane', 'Totnes', 'Devon TQ9 5EX'];
const LETTER = [
  '5 March 2024',
  'Our reference: HF/2291/MW',
  'Dear Mrs Whitfield,',
  'Purchase of 8 Castle Street, Exeter',
  'Thank you for your letter of 26 February 2024. I am pleased to confirm that the seller, Mr James Okafor, has accepted your offer of £347,500 for the property, and that Devon County Council has returned the local search without any adverse entry.',
  'We now hold your deposit of £34,750.00, which Barclays transferred to our client account on 1 March 2024. Our fees of £1,250.50 and the search fees of £186 fall due on completion, which we propose for Friday 12 April 2024.',
  'The survey by Northgate Surveyors Ltd found slight damp in the rear wall. Their surveyor, Dr Priya Raman, puts the cost of the repair at about £2,400 and suggests that you obtain a second quotation before contracts are exchanged.',
  'Please sign the enclosed transfer, have it witnessed, and return it to our Bristol office by 22/03/2024. My colleague Siobhan Kelly will be glad to help while I am in Edinburgh next week.',
  'Yours sincerely,',
  'Daniel Ashworth',
  'Partner',
];
const SECOND_PAGE = [
  'Statement of account',
  'Client: Mrs Margaret Whitfield. Matter: HF/2291/MW.',
  'Deposit received on 1 March 2024: £34,750.00',
  'Professional fees including VAT: £1,250.50',
  'Search fees, Devon County Council: £186.00',
  'Land Registry fee: £150.00',
  'Balance due to the seller on 12 April 2024: £312,750.00',
  'Please pay the balance to Harbour & Finch Solicitors LLP at least two working days before completion.',
];

/** @param {string} path @param {number} pages */
async function makePdf(path, pages) {
  const pdf = new PDFDocument({
    size: 'A4',
    margins: { top: 64, left: 72, right: 72, bottom: 64 },
    info: {
      Title: 'Letter to Mrs Whitfield',
      Author: 'Harbour & Finch Solicitors LLP',
      CreationDate: new Date('2024-03-05T09:00:00Z'),
    },
  });
  pdf.registerFont('body', `${FONTS}/LiberationSerif-Regular.ttf`);
  pdf.registerFont('bold', `${FONTS}/LiberationSerif-Bold.ttf`);
  const out = createWriteStream(path);
  pdf.pipe(out);
  pdf.font('bold').fontSize(17).text(LETTERHEAD[0]);
  pdf.font('body').fontSize(10).text(LETTERHEAD.slice(1).join('\n')).moveDown(2);
  pdf.fontSize(12).text(ADDRESS.join('\n')).moveDown(1.5);
  for (const [index, paragraph] of LETTER.entries()) {
    pdf
      .font(index === 3 ? 'bold' : 'body')
      .fontSize(12)
      .text(paragraph, { lineGap: 2 });
    pdf.moveDown(index === 8 ? 2.5 : index >= 9 ? 0.1 : 0.9);
  }
  if (pages > 1) {
    pdf.addPage();
    pdf.font('bold').fontSize(15).text(SECOND_PAGE[0]).moveDown(1);
    for (const line of SECOND_PAGE.slice(1)) pdf.font('body').fontSize(12).text(line).moveDown(0.6);
  }
  pdf.end();
  await finished(out);
}

/**
 * The first page as an office scanner gives it: grey, a little turned, a little soft, with noise and a shadow at one edge.
 * @param {string} pdfPath @param {string} path @param {string} scratch
 */
async function makeScan(pdfPath, path, scratch) {
  const page = join(scratch, 'page.png');
  execFileSync('gs', [
    '-q',
    '-dNOPAUSE',
    '-dBATCH',
    '-sDEVICE=pnggray',
    '-r170',
    '-dTextAlphaBits=4',
    '-dLastPage=1',
    `-sOutputFile=${page}`,
    pdfPath,
  ]);
  const { data, info } = await sharp(page)
    .rotate(0.35, { background: '#ffffff' })
    .blur(0.5)
    .greyscale()
    .raw()
    .toBuffer({ resolveWithObject: true });
  let seed = 20240305;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  for (let at = 0; at < data.length; at += 1) {
    const x = at % info.width;
    const shadow = Math.max(0, 1 - x / 60) * 70;
    const speck = random() < 0.0006 ? -90 * random() : 0;
    const grain = (random() + random() - 1) * 14;
    // Few shades keep the file small: the grain shows at the letters' edges and in the shadow, not on blank paper.
    const shade = Math.round(((data[at] ?? 0) * 0.9 + 12 - shadow + speck + grain) / 40) * 40;
    data[at] = Math.max(0, Math.min(255, shade));
  }
  await sharp(data, { raw: { width: info.width, height: info.height, channels: 1 } })
    .png({ palette: true, colours: 8, dither: 0, compressionLevel: 9, effort: 10 })
    .withMetadata({ density: 170 })
    .toFile(path);
}

/** @param {string} path */
async function makeDocx(path) {
  const { Document, HeadingLevel, Packer, Paragraph, TextRun } = docx;
  const children = [
    new Paragraph({ text: LETTERHEAD[0], heading: HeadingLevel.HEADING_1 }),
    ...[...LETTERHEAD.slice(1), '', ...ADDRESS, ''].map((text) => new Paragraph({ text })),
    ...LETTER.map(
      (text, index) => new Paragraph({ children: [new TextRun({ text, bold: index === 3 })], spacing: { after: 160 } }),
    ),
  ];
  writeFileSync(
    path,
    await Packer.toBuffer(new Document({ title: 'Letter to Mrs Whitfield', sections: [{ children }] })),
  );
}

const HTML = `<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<title>Annual report 2023: Tamar Valley Food Bank</title>
<style>body { font-family: serif; max-width: 40em }</style>
</head>
<body>
<nav><a href="/">Home</a></nav>
<h1>Annual report 2023</h1>
<p>In 2023 the <em>Tamar Valley Food Bank</em> gave out 8,412 parcels, 17&nbsp;% more than the year before. Our two warehouses in Plymouth and Tavistock were open on 301 days.</p>
<h2>Money</h2>
<table>
<thead><tr><th>Source</th><th>Received</th></tr></thead>
<tbody>
<tr><td>Plymouth City Council</td><td>£48,000</td></tr>
<tr><td>National Lottery Community Fund</td><td>£62,500</td></tr>
<tr><td>Gifts</td><td>£31,270.85</td></tr>
</tbody>
</table>
<p>The accounts were signed by the chair, Eleanor Prideaux, on 14 May 2024 and examined by Tregenza &amp; Sons Accountants Ltd.</p>
<script>console.log('not part of the text')</script>
</body>
</html>
`;

const PARAGRAPH = `On 5 March 2024 Margaret Whitfield of Totnes paid £34,750.00 to Harbour & Finch Solicitors LLP in Bristol. Her solicitor, Daniel Ashworth, confirmed that Devon County Council had returned the search, and that the seller, Mr James Okafor, would leave Exeter by 12/04/2024. Dr Priya Raman of the University of Plymouth valued the house at €410,000 on the 3rd of June 2023; the NHS, which owns the land next door, was asked for two hundred pounds in ground rent.
`;

/** @param {string} path */
function makeXlsx(path) {
  /** @param {string} value */
  const bold = (value) => ({ value, fontWeight: 'bold' });
  /** @param {string} date @param {string} payee @param {number} amount @param {boolean} paid */
  const row = (date, payee, amount, paid) => [
    { value: new Date(`${date}T00:00:00Z`), type: Date, format: 'dd/mm/yyyy' },
    { value: payee },
    { value: amount, type: Number, format: '#,##0.00' },
    { value: paid, type: Boolean },
  ];
  const march = [
    ['Date', 'Payee', 'Amount (GBP)', 'Paid'].map(bold),
    row('2024-03-01', 'Devon County Council', 186, true),
    row('2024-03-05', 'Northgate Surveyors Ltd', 1250.5, true),
    row('2024-03-22', 'HM Land Registry', 150, false),
  ];
  const totals = [['Month', 'Total (GBP)'].map(bold), [{ value: 'March 2024' }, { value: 1586.5, type: Number }]];
  return writeXlsx([
    { data: march, sheet: 'March' },
    { data: totals, sheet: 'Totals' },
  ]).toFile(path);
}

const scratch = mkdtempSync(join(tmpdir(), 'rma-samples-'));
try {
  const letter = join(samples, 'letter.pdf');
  await makePdf(letter, 2);
  await makeScan(letter, join(samples, 'letter.png'), scratch);
  await makeDocx(join(samples, 'letter.docx'));
  await makeXlsx(join(samples, 'accounts.xlsx'));
  writeFileSync(join(samples, 'report.html'), HTML);
  writeFileSync(join(samples, 'paragraph.txt'), PARAGRAPH);
  execFileSync('qpdf', ['--encrypt', 'secret', 'secret', '256', '--', letter, join(fixtures, 'encrypted.pdf')]);
  const png = readFileSync(join(samples, 'letter.png'));
  writeFileSync(join(fixtures, 'damaged.png'), png.subarray(0, 20_000));
  const scrambled = Buffer.from(png).fill(0x5a, 2_000, png.length - 200);
  writeFileSync(join(fixtures, 'scrambled.png'), scrambled);
  writeFileSync(join(fixtures, 'damaged.docx'), readFileSync(join(samples, 'letter.docx')).subarray(0, 3_000));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
