/** Advice on a failed task, by its error code. Pure. */
const BY_CODE: Readonly<Record<string, string>> = {
  cancelled: 'It was cancelled by its owner or an admin. Retry it if that was a mistake.',
  expired: 'No worker was free before its time to live was over. Retry it, or give it a longer time to live.',
  timeout: 'An attempt exceeded its time limit. Allow more time, or split the work into smaller tasks.',
  poison:
    'Every worker that ran it was lost meanwhile; the task may be the cause. Check its input before you retry it.',
  lost: 'Its worker was lost. The task was queued again for another one.',
  refused: 'The worker refused the task. Another one may accept it: retry it.',
  memory: 'It exceeded its memory limit. Allow more, or split the work into smaller tasks.',
  'container.exit': 'The program ended with an error: read its log.',
  'image.not_allowed': "The image is not on the donor's allow-list. Use one that is, or ask the donor to add it.",
  'image.unavailable': 'The image could not be pulled. Check its name, and that its registry can be reached.',
  'engine.gone': 'The container engine of the worker stopped. Retry the task.',
  'model.unknown': 'The worker does not have this model. Name one that a worker offers.',
  'output.too_large': 'The output exceeds the size limit: ask for less, or split the work.',
  'output.missing': 'The worker reported success without an output: its handler has an error.',
  'output.blob_missing': 'The output refers to a blob that the worker did not upload. Retry the task.',
};

const BY_FAMILY: readonly (readonly [RegExp, string])[] = [
  [/^input\./, 'The input is invalid for this kind. Edit and resubmit it: a plain retry fails again.'],
  [/^endpoint\./, 'The model server of the worker failed. Retry later, or check that server.'],
  [/^model\./, 'Check which models the workers offer, and name one of them.'],
  [/^image\./, "Check the image, and the donors' allow-lists."],
  [/^storage/, 'The disk of the coordinator or of the worker is full. Free some space, then retry.'],
];

export function adviceFor(code: string): string | undefined {
  // Workers choose the code: it may be the name of an inherited property, such as "constructor".
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code];
  return BY_FAMILY.find(([pattern]) => pattern.test(code))?.[1];
}
