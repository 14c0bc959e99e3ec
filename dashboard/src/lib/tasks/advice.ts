/** What to do about a failure, by its code. The message itself comes from the worker or the coordinator. Pure. */
const BY_CODE: Readonly<Record<string, string>> = {
  cancelled: 'Somebody ended it. Retry it where that was a mistake.',
  expired: 'No worker was free before its time was up. Retry it, or give it a longer time to live.',
  timeout: 'One attempt took longer than it may. Allow more time, or split the work into smaller tasks.',
  poison: 'Every worker that took it went away meanwhile. Look at its input before it is tried again.',
  lost: 'Its worker went away. It was given to another one.',
  refused: 'The worker does not take this work. Another one may: retry it.',
  memory: 'It needed more memory than it may have. Allow more, or split the work into smaller tasks.',
  'container.exit': 'The program ended with an error of its own: read its log.',
  'image.not_allowed': 'No donor of this worker admits the image. Ask for it, or use one that is admitted.',
  'image.unavailable': 'The image could not be pulled. Check its name, and that its registry can be reached.',
  'engine.gone': 'The container engine of the worker went away. Retry it.',
  'model.unknown': 'No worker that took it has this model. Name one that a worker offers.',
  'output.too_large': 'What it gave is larger than a task may give: ask for less, or split the work.',
  'output.missing': 'The worker said it was done and gave nothing. That is a fault of its handler.',
  'output.blob_missing': 'The worker named a file that it never sent. Retry it.',
};

const BY_FAMILY: readonly (readonly [RegExp, string])[] = [
  [/^input\./, 'The input is not what this kind takes. Submit it again with changes: trying as it is gives the same.'],
  [/^endpoint\./, 'The model server behind the worker did not do its part. Retry it later, or look at that server.'],
  [/^model\./, 'Look at which models the workers offer, and name one of them.'],
  [/^image\./, 'Look at the image and what the donors admit.'],
  [/^storage/, 'The disk of the coordinator or of the worker is full. Make room, then retry it.'],
];

export function adviceFor(code: string): string | undefined {
  // A worker chooses the code: it may be called as something that objects inherit.
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code];
  return BY_FAMILY.find(([pattern]) => pattern.test(code))?.[1];
}
