/** The state of the form: kind, input in the mode of the kind, options; and the call that results from them. */
import type { Constraints, TaskInput } from '@rma/client';
import { isMap } from '$lib/values/shape.js';
import { AttachedFile, type Call, type CallOptions, editable, freeName, MAX_FILE_BYTES, parseInput } from './call.js';
import { type InputMode, knownKind } from './kinds.js';

export class TryForm {
  kind = $state('');
  mode = $state<InputMode>('json');
  text = $state('');
  /** json: the whole input; file: the fields besides the file. */
  json = $state('');
  files = $state.raw<readonly AttachedFile[]>([]);
  priority = $state('0');
  maxAttempts = $state('3');
  tier = $state('');
  trusted = $state(false);
  worker = $state('');
  model = $state('');
  labels = $state('');
  /** Has no field; kept from the task that was copied. */
  #minVramMiB: number | undefined;

  /** Selects a kind, and fills in its example. */
  choose(kind: string): void {
    const { mode, example } = knownKind(kind);
    this.kind = kind;
    this.mode = mode;
    this.files = mode === 'file' ? this.files.slice(0, 1) : [];
    this.text = mode === 'text' ? String(example) : '';
    this.json = mode === 'json' ? JSON.stringify(example, undefined, 2) : '';
  }

  /** Fills in an existing task. @param input with its blobs in place */
  fill({ kind, priority, maxAttempts, constraints }: TaskInput, input: unknown): void {
    this.choose(kind);
    this.priority = String(priority);
    this.maxAttempts = String(maxAttempts);
    const { tier, trust, worker, model, labels, minVramMiB } = constraints ?? {};
    this.tier = tier === undefined ? '' : String(tier);
    this.trusted = trust === 'trusted';
    this.worker = worker ?? '';
    this.model = model ?? '';
    this.labels = Object.entries(labels ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join(', ');
    this.#minVramMiB = minVramMiB;
    if (isMap(input) && input.file instanceof Uint8Array && this.mode === 'file') {
      const { file, name, ...rest } = input;
      this.files = [new AttachedFile(typeof name === 'string' && name !== '' ? name : 'file.bin', file as Uint8Array)];
      this.json = Object.keys(rest).length === 0 ? '' : editable(rest).text;
    } else if (
      isMap(input) &&
      typeof input.text === 'string' &&
      Object.keys(input).length === 1 &&
      this.mode === 'text'
    ) {
      this.text = input.text;
    } else {
      this.mode = 'json';
      const { text, files } = editable(input);
      this.json = text;
      this.files = files;
    }
  }

  /** Switches to editing the same input as JSON. */
  toJson(): void {
    const { input } = this;
    if (!input.ok) return;
    const files: AttachedFile[] = [];
    const marked = JSON.stringify(
      input.value,
      (_, item: unknown) => {
        if (!(item instanceof AttachedFile)) return item;
        files.push(item);
        return { $file: item.name };
      },
      2,
    );
    this.mode = 'json';
    this.json = marked;
    this.files = files;
  }

  /** Back to the mode of the kind, with its example. */
  toForm(): void {
    this.choose(this.kind);
  }

  /** @throws Error with a message for people, for a file that is empty or too large */
  attach(name: string, bytes: Uint8Array): void {
    if (bytes.length > MAX_FILE_BYTES) {
      throw new Error(`${name} has ${(bytes.length / 1_048_576).toFixed(1)} MiB; a task takes files of up to 50 MiB`);
    }
    if (bytes.length === 0) throw new Error(`${name} is empty`);
    if (this.mode === 'file') {
      this.files = [new AttachedFile(name, bytes)];
      return;
    }
    const file = new AttachedFile(freeName(name, this.files), bytes);
    this.files = [...this.files, file];
    const parsed = parseInput(this.json, this.files);
    // Into the field `file`, which most kinds use, unless it is set.
    if (parsed.ok && (parsed.value === null || (isMap(parsed.value) && parsed.value.file === undefined))) {
      const given = this.json.trim() === '' ? {} : (JSON.parse(this.json) as object);
      this.json = JSON.stringify({ ...given, file: { $file: file.name }, name: file.name }, undefined, 2);
    }
  }

  detach(file: AttachedFile): void {
    this.files = this.files.filter((one) => one !== file);
  }

  readonly input = $derived.by(() => {
    if (this.mode === 'text') return { ok: true, value: { text: this.text } } as const;
    const parsed = parseInput(this.json, this.files);
    if (this.mode === 'json' || !parsed.ok) return parsed;
    const [file] = this.files;
    if (parsed.value !== null && !isMap(parsed.value)) {
      return {
        ok: false,
        problem: 'The fields besides the file must be a JSON object, such as {"language": "eng"}',
      } as const;
    }
    return { ok: true, value: { ...(parsed.value ?? {}), ...(file ? { file, name: file.name } : {}) } } as const;
  });

  /** Problems by field. */
  readonly problems = $derived.by(() => {
    const problems: Record<string, string> = {};
    if (!/^[a-z0-9][a-z0-9_.-]{0,63}$/.test(this.kind)) problems.kind = 'Choose a kind.';
    if (!this.input.ok) problems.input = this.input.problem;
    if (this.mode === 'file' && this.files.length === 0) problems.file = 'Choose a file.';
    if (this.mode === 'text' && this.text.trim() === '') problems.text = 'Enter a text.';
    if (!isWhole(this.priority, -100, 100)) problems.priority = 'Enter a whole number from -100 to 100.';
    if (!isWhole(this.maxAttempts, 1, 100)) problems.maxAttempts = 'Enter a whole number from 1 to 100.';
    if (this.worker.trim() !== '' && !/^w-[0-9a-z]{4,32}$/.test(this.worker.trim())) {
      problems.worker = "A worker's id is written like w-3k9x2m7q.";
    }
    if (labelsOf(this.labels) === undefined) problems.labels = 'Write labels like room=4, owner=ada.';
    return problems;
  });

  /** Undefined while there are problems. */
  readonly call = $derived(Object.keys(this.problems).length > 0 ? undefined : this.#call());

  /** The call; or, if only the file is missing, the call with a sample file. */
  readonly sketch = $derived.by(() => {
    if (this.call) return this.call;
    const isFileless = Object.keys(this.problems).every((field) => field === 'file');
    return isFileless
      ? this.#call(new AttachedFile(knownKind(this.kind).fileName ?? 'file.bin', new Uint8Array()))
      : undefined;
  });

  #call(missing?: AttachedFile): Call | undefined {
    if (!this.input.ok) return undefined;
    const priority = Number(this.priority);
    const maxAttempts = Number(this.maxAttempts);
    const constraints = this.#constraints();
    const options: CallOptions = {
      ...(priority === 0 ? {} : { priority }),
      ...(maxAttempts === 3 ? {} : { maxAttempts }),
      ...(constraints === undefined ? {} : { constraints }),
    };
    const input = missing ? { ...(this.input.value ?? {}), file: missing, name: missing.name } : this.input.value;
    return { kind: this.kind, input, options };
  }

  #constraints(): Constraints | undefined {
    const labels = labelsOf(this.labels) ?? {};
    const constraints: Constraints = {
      ...(this.tier === '' ? {} : { tier: Number(this.tier) }),
      ...(this.trusted ? { trust: 'trusted' as const } : {}),
      ...(this.worker.trim() === '' ? {} : { worker: this.worker.trim() }),
      ...(this.model.trim() === '' ? {} : { model: this.model.trim() }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(this.#minVramMiB === undefined ? {} : { minVramMiB: this.#minVramMiB }),
    };
    return Object.keys(constraints).length === 0 ? undefined : constraints;
  }
}

function isWhole(text: string, from: number, to: number): boolean {
  const number = Number(text);
  return /^-?\d+$/.test(text.trim()) && number >= from && number <= to;
}

function labelsOf(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const [, name, value] = /^\s*([A-Za-z0-9][A-Za-z0-9_./-]{0,62})\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    if (name === undefined || value === undefined || value.length > 128) return undefined;
    labels[name] = value;
  }
  return labels;
}
