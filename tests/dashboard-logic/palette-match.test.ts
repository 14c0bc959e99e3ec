/** The search of the command palette. */
import { expect, it } from 'vitest';
import { fitting, scoreOf } from '../../dashboard/src/lib/shell/match.js';

const of = (...texts: string[]) => texts.map((text) => ({ text }));
const found = (texts: string[], typed: string) => fitting(of(...texts), typed).map(({ text }) => text);

it('finds everything, in its order, while nothing is typed', () => {
  expect(found(['b', 'a'], '  ')).toEqual(['b', 'a']);
});

it('puts the beginning of a text before the beginning of a word, and that before the middle of one', () => {
  expect(found(['overworked', 'lab worker', 'workers', 'tasks'], 'work')).toEqual([
    'workers',
    'lab worker',
    'overworked',
  ]);
});

it('asks for every word, in any order and case', () => {
  expect(found(['Theme: dark', 'Theme: light'], 'DARK the')).toEqual(['Theme: dark']);
  expect(found(['Theme: dark'], 'dark matter')).toEqual([]);
});

it('finds by other words, after what is found by its text', () => {
  expect(scoreOf({ text: 'Workloads', words: 'catalogue placement' }, 'catal')).toBeGreaterThan(0);
  expect(scoreOf({ text: 'catalpa' }, 'catal')).toBeGreaterThan(
    scoreOf({ text: 'Workloads', words: 'catalogue' }, 'catal'),
  );
});

it.each(['"] > * {', '<img src=x>', '\\', '(.*', '🦊', 'שלום'])('takes %s for the text that it is', (name) => {
  expect(found([name, 'other'], name)).toEqual([name]);
});
