import { readFileSync } from 'node:fs';
import type { Entity } from '@rma/workloads/ner/entity';
import { handlers } from '@rma/workloads/ner/handlers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { call, refusal } from '../host/call-handler.js';
import { sample } from '../host/runtime-harness.js';

const extract = handlers['ner.extract'];

async function entitiesOf(text: string): Promise<readonly Entity[]> {
  const { output } = await call(extract, { text });
  return (output as { entities: readonly Entity[] }).entities;
}

/** `type text → normal` for each entity. */
async function read(text: string): Promise<string[]> {
  const entities = await entitiesOf(text);
  return entities.map(({ type, text: words, normal }) => {
    const plain = typeof normal === 'string' ? normal : `${normal.amount} ${normal.currency}`;
    return `${type} ${words} → ${plain}`;
  });
}

async function normals(type: Entity['type'], text: string): Promise<unknown[]> {
  return (await entitiesOf(text)).filter((entity) => entity.type === type).map((entity) => entity.normal);
}

it('finds everything in the sample paragraph, and nothing else', async () => {
  expect(await read(readFileSync(sample('paragraph.txt'), 'utf8'))).toEqual([
    'date 5 March 2024 → 2024-03-05',
    'person Margaret Whitfield → Margaret Whitfield',
    'place Totnes → Totnes',
    'money £34,750.00 → 34750 GBP',
    'organisation Harbour & Finch Solicitors LLP → Harbour & Finch Solicitors LLP',
    'place Bristol → Bristol',
    'person Daniel Ashworth → Daniel Ashworth',
    'organisation Devon County Council → Devon County Council',
    'person Mr James Okafor → James Okafor',
    'place Exeter → Exeter',
    'date 12/04/2024 → 2024-04-12',
    'person Dr Priya Raman → Priya Raman',
    'organisation University of Plymouth → University of Plymouth',
    'money €410,000 → 410000 EUR',
    'date 3rd of June 2023 → 2023-06-03',
    'organisation NHS → National Health Service',
    'money two hundred pounds → 200 GBP',
  ]);
});

describe('dates', () => {
  it.each([
    ['01/05/2025', '2025-05-01'],
    ['1/5/25', '2025-05-01'],
    ['31.12.1999', '1999-12-31'],
    ['05-03-2024', '2024-03-05'],
    ['2024-03-05', '2024-03-05'],
    ['2024-03-05T10:30:00Z', '2024-03-05'],
    ['5 March 2024', '2024-03-05'],
    ['5th March, 2024', '2024-03-05'],
    ['3rd of June 2023', '2023-06-03'],
    ["12 Sept '24", '2024-09-12'],
    ['Thursday 18 July 2024', '2024-07-18'],
    ['Mon, 5 Feb 2024', '2024-02-05'],
    ['March 5, 2024', '2024-03-05'],
    ['the twenty-first of March 2023', '2023-03-21'],
    ['29 February 2024', '2024-02-29'],
    ['03/13/2024', '2024-03-13'],
    ['March 2024', '2024-03'],
    ['Christmas Day 2023', '2023-12-25'],
    ['Easter Monday 2024', '2024-04-01'],
  ])('%s is %s', async (written, iso) => {
    expect(await normals('date', `It was signed on ${written}, I think.`)).toEqual([iso]);
  });

  it.each([
    'next Tuesday',
    '31/02/2024',
    '29 February 2023',
    'section 1.2.24',
    'sort code 20-05-24',
    'she may 5 times',
    '10/20',
  ])('takes no date from "%s"', async (words) => {
    expect(await normals('date', `Please note ${words} here.`)).toEqual([]);
  });
});

describe('money', () => {
  it.each([
    ['£1,250.50', 1250.5, 'GBP'],
    ['£ 40', 40, 'GBP'],
    ['€3.5m', 3_500_000, 'EUR'],
    ['€1.250,50', 1250.5, 'EUR'],
    ['$3.5bn', 3_500_000_000, 'USD'],
    ['£12k', 12_000, 'GBP'],
    ['£5 million', 5_000_000, 'GBP'],
    ['USD 40', 40, 'USD'],
    ['1,000.00 GBP', 1000, 'GBP'],
    ['40 euros', 40, 'EUR'],
    ['50p', 0.5, 'GBP'],
    ['two hundred pounds', 200, 'GBP'],
    ['two hundred and fifty pounds', 250, 'GBP'],
    ['one and a half million dollars', 1_500_000, 'USD'],
  ])('%s is %d %s', async (written, amount, currency) => {
    expect(await normals('money', `They paid ${written} for it.`)).toEqual([{ amount, currency }]);
  });

  it.each(['20 pounds in weight', 'a pound', '12 people', '£'])('takes no money from "%s"', async (words) => {
    expect(await normals('money', `They lost ${words} there.`)).toEqual([]);
  });
});

describe('names', () => {
  it.each([
    [
      'Then Kwame Mensah told the BBC about it.',
      ['person Kwame Mensah → Kwame Mensah', 'organisation BBC → British Broadcasting Corporation'],
    ],
    ['Tesco and HMRC agreed.', ['organisation Tesco → Tesco', 'organisation HMRC → HM Revenue & Customs']],
    ['Marlow Timber Limited wrote.', ['organisation Marlow Timber Limited → Marlow Timber Ltd']],
    [
      'Google and Microsoft Corporation',
      ['organisation Google → Google', 'organisation Microsoft Corporation → Microsoft Corporation'],
    ],
    ["Jane Smith's car", ['person Jane Smith → Jane Smith']],
    ['Dear Mr J. R. Whitfield,', ['person Mr J. R. Whitfield → J. R. Whitfield']],
    ['The Council met. Our Company left.', []],
    ['Reading the letter, they left for Reading.', ['place Reading → Reading']],
    [
      'The University of the West of England in Bristol',
      ['organisation University of the West of England → University of the West of England', 'place Bristol → Bristol'],
    ],
    [
      'in Stoke-on-Trent, King’s Lynn and Hull',
      ['place Stoke-on-Trent → Stoke-on-Trent', "place King’s Lynn → King's Lynn", 'place Hull → Kingston upon Hull'],
    ],
    [
      'Royal Devon University Healthcare NHS Foundation Trust',
      [
        'organisation Royal Devon University Healthcare NHS Foundation Trust → Royal Devon University Healthcare NHS Foundation Trust',
      ],
    ],
    [
      '14 Mill Lane\nTotnes\nDevon TQ9 5EX',
      ['place Mill Lane → Mill Lane', 'place Totnes → Totnes', 'place Devon → Devon'],
    ],
    ['Yours sincerely,\n\n\nDaniel Ashworth\nPartner', ['person Daniel Ashworth → Daniel Ashworth']],
  ])('reads "%s"', async (text, expected) => {
    expect(await read(text)).toEqual(expected);
  });

  it('reads a name across the line end of running prose, but not across the lines of an address', async () => {
    const prose = 'We are pleased to confirm that the seller, a certain Mr\nJames Okafor, has accepted.';
    expect(await read(prose)).toEqual(['person Mr\nJames Okafor → James Okafor']);
    expect(await read('Margaret Whitfield\nHarbour House\nExeter')).toContain(
      'person Margaret Whitfield → Margaret Whitfield',
    );
  });
});

it('gives offsets in UTF-16 units that cut the entity out of the given text, without overlap, whatever the text', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'Mr James Okafor',
      'Harbour & Finch LLP',
      '£1,250.50',
      '5 March 2024',
      'Bristol',
      ' of ',
      ', ',
      '\n',
      '\n\n',
      '. ',
      '’s ',
      '“',
      '”',
      '😀',
      'é',
      '\u00a0',
      '\r\n',
      '\u200b',
      'ﬁ',
      'İ',
    ),
    fc.string({ unit: 'grapheme', maxLength: 8 }),
    fc.lorem({ maxCount: 3 }),
  );
  const texts = fc.array(piece, { minLength: 1, maxLength: 25 }).map((pieces) => pieces.join(''));
  await fc.assert(
    fc.asyncProperty(
      texts.filter((text) => text.trim() !== ''),
      async (text) => {
        let last = 0;
        for (const { start, end, text: words } of await entitiesOf(text)) {
          expect(text.slice(start, end)).toBe(words);
          expect(words.trim()).not.toBe('');
          expect(start).toBeGreaterThanOrEqual(last);
          last = end;
        }
      },
    ),
    { numRuns: 150 },
  );
});

it('keeps offsets right beyond the piece that it reads at once', async () => {
  const filler = 'Nothing of note was said about it by anybody at all. '.repeat(300);
  const text = `${filler}Mrs Margaret Whitfield paid £186. ${filler}`;
  const entities = await entitiesOf(text);
  expect(entities.map((entity) => text.slice(entity.start, entity.end))).toEqual(['Mrs Margaret Whitfield', '£186']);
});

it('refuses what is no text, naming the path and what was expected', async () => {
  expect(await refusal(extract, { text: '  \n' })).toBe('input.invalid: input.text: expected text, got an empty one');
  expect(await refusal(extract, {})).toBe('input.invalid: input.text: expected text, got nothing');
  expect(await refusal(extract, { text: 7 })).toBe('input.invalid: input.text: expected text, got a number');
  expect(await refusal(extract, 'text')).toBe('input.invalid: input: expected a map { text }, got a string');
  expect(await refusal(extract, { text: 'a'.repeat(500_001) })).toMatch(/at most 500000 characters, got 500001; split/);
});
