/** Where a person ends and an organisation begins, and which connectives belong to a name. */

import type { Entity } from '@rma/workloads/ner/entity';
import { handlers } from '@rma/workloads/ner/handlers';
import { describe, expect, it } from 'vitest';
import { call } from '../host/call-handler.js';

async function found(text: string): Promise<string[]> {
  const { output } = await call(handlers['ner.extract'], { text });
  return (output as { entities: readonly Entity[] }).entities.map((entity) => `${entity.type} ${entity.text}`);
}

describe('between a person and an organisation', () => {
  it.each([
    'Jane Smith of Acme Ltd',
    'Jane Smith at Acme Ltd',
    'Jane Smith from Acme Ltd',
    'Jane Smith for Acme Ltd',
    'Jane Smith and Acme Ltd',
    'Jane Smith, of Acme Ltd',
  ])('"%s" is two', async (words) => {
    expect(await found(`Yesterday ${words} paid.`)).toEqual(['person Jane Smith', 'organisation Acme Ltd']);
  });

  it.each([
    ['Mrs Whitfield of Harbour Ltd', ['person Mrs Whitfield', 'organisation Harbour Ltd']],
    ['Mr Cole of Cole and Sons Ltd', ['person Mr Cole', 'organisation Cole and Sons Ltd']],
    ['Jane Smith of Smith & Co', ['person Jane Smith', 'organisation Smith & Co']],
    ['Desta Hailu of the University of Leeds', ['person Desta Hailu', 'organisation University of Leeds']],
    ['Acme Ltd and Jane Smith', ['organisation Acme Ltd', 'person Jane Smith']],
    ['Acme Ltd and Bolt plc', ['organisation Acme Ltd', 'organisation Bolt plc']],
    ['Chief Executive of Acme Ltd', ['organisation Acme Ltd']],
    ['Customers of Marks and Spencer plc', ['organisation Marks and Spencer plc']],
    ['University of Leeds and Acme Ltd', ['organisation University of Leeds', 'organisation Acme Ltd']],
    [
      'Department for Education and Marks and Spencer plc',
      ['organisation Department for Education', 'organisation Marks and Spencer plc'],
    ],
  ])('reads "%s"', async (words, expected) => {
    expect(await found(`${words} agreed.`)).toEqual(expected);
  });
});

it.each([
  'University of Leeds',
  'Bank of England',
  'Bank of Scotland plc',
  'Department for Education',
  'Department for Environment, Food and Rural Affairs',
  'Marks and Spencer plc',
  'Smith and Sons Ltd',
  'Peter Smith and Sons Ltd',
  'Slater Gordon and Webb LLP',
  'Isle of Wight Council',
  'Bradford on Avon Town Council',
  'City of London Police',
  'Perth and Kinross Council',
  "Teesside Magistrates' Court",
])('"%s" stays whole', async (name) => {
  expect(await found(`We wrote to the ${name} about it.`)).toEqual([`organisation ${name}`]);
});

it.each([
  ['1-3 May 2025', '2025-05-01/2025-05-03'],
  ['1st to 3rd of May 2025', '2025-05-01/2025-05-03'],
  ['Mon 3 to Fri 7 March 2025', '2025-03-03/2025-03-07'],
  ['28 April – 3 May 2025', '2025-04-28/2025-05-03'],
  ['20 December to 3 January 2025', '2024-12-20/2025-01-03'],
  ['April to June 2025', '2025-04/2025-06'],
])('reads the range "%s" as one date', async (words, interval) => {
  const { output } = await call(handlers['ner.extract'], { text: `Open from ${words}, daily.` });
  expect((output as { entities: readonly Entity[] }).entities).toMatchObject([
    { type: 'date', text: words, normal: interval },
  ]);
});

it('reads two whole dates as two, even when only a hyphen stands between', async () => {
  expect(await found('Open 01/05/2025-03/05/2025 and 1 May 2026 to 3 May 2026.')).toEqual([
    'date 01/05/2025',
    'date 03/05/2025',
    'date 1 May 2026',
    'date 3 May 2026',
  ]);
});
