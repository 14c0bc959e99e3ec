/**
 * The forms under which a dictionary lists an English word: "cancelled" is under "cancel", "bent" under "bend". Rules of
 * detachment as in WordNet's Morphy (morphy(7WN)); what does not exist is sorted out by the caller's dictionary.
 */
import type { PartOfSpeech } from './wordnet.js';

/** An ending, and what stands in its place. */
const ENDINGS: Readonly<Record<Exclude<PartOfSpeech, 'adv'>, readonly (readonly [string, string])[]>> = {
  noun: [
    ['s', ''],
    ['ses', 's'],
    ['xes', 'x'],
    ['zes', 'z'],
    ['ches', 'ch'],
    ['shes', 'sh'],
    ['men', 'man'],
    ['ies', 'y'],
  ],
  verb: [
    ['s', ''],
    ['ies', 'y'],
    ['es', 'e'],
    ['es', ''],
    ['ed', 'e'],
    ['ed', ''],
    ['ing', 'e'],
    ['ing', ''],
  ],
  adj: [
    ['er', ''],
    ['est', ''],
    ['er', 'e'],
    ['est', 'e'],
  ],
};

const IRREGULAR: ReadonlyMap<string, string> = new Map(
  `ate:eat bent:bend bought:buy broke:break broken:break built:build caught:catch children:child drove:drive
  driven:drive eaten:eat fallen:fall feet:foot fell:fall flew:fly flown:fly forgot:forget forgotten:forget found:find
  gave:give given:give gone:go got:get held:hold kept:keep led:lead left:leave lent:lend lost:lose made:make men:man
  met:meet mice:mouse paid:pay ran:run said:say sang:sing sent:send slept:sleep sold:sell spent:spend stole:steal
  stolen:steal stood:stand swam:swim taken:take teeth:tooth threw:throw thrown:throw told:tell took:take went:go
  women:woman won:win wore:wear worn:wear written:write wrote:write`
    .split(/\s+/)
    .map((pair) => pair.split(':') as [string, string]),
);

/** A form, and the part of speech that it would have to be; without one where any will do. */
export interface BaseForm {
  readonly form: string;
  readonly part?: PartOfSpeech;
}

/** The forms that a lower-case word may be listed under, itself first. */
export function baseFormsOf(word: string): BaseForm[] {
  const forms: BaseForm[] = [{ form: word }];
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) forms.push({ form: irregular });
  for (const [part, endings] of Object.entries(ENDINGS)) {
    for (const [ending, instead] of endings) {
      if (!word.endsWith(ending) || word.length <= ending.length + 1) continue;
      forms.push({ form: word.slice(0, -ending.length) + instead, part: part as PartOfSpeech });
    }
  }
  const doubled = /^(.*)([bdgklmnprtvz])\2(?:ed|ing|er|est)$/.exec(word);
  if (doubled !== null) forms.push({ form: `${doubled[1]}${doubled[2]}` });
  return forms;
}
