import { workerTemplate } from '@rma/agent/policy/template';
import { complaintLines, defaultPolicy, type ParsedWorkerFile, parseWorkerFile } from '@rma/agent/policy/worker-file';
import { describe, expect, it } from 'vitest';

function complaints(text: string): string[] {
  const parsed = parseWorkerFile(text);
  return parsed.ok ? [] : complaintLines('worker.yaml', parsed.complaints);
}

function policy(parsed: ParsedWorkerFile) {
  if (!parsed.ok) throw new Error(complaintLines('worker.yaml', parsed.complaints).join('\n'));
  return parsed.file.policy;
}

describe('worker.yaml', () => {
  it('as the template has it changes nothing', () => {
    const parsed = parseWorkerFile(workerTemplate());
    expect(policy(parsed)).toEqual(defaultPolicy());
    expect(parsed).toMatchObject({ file: { settings: {} } });
    expect(policy(parseWorkerFile(''))).toEqual(defaultPolicy());
  });

  it('takes the whole template once its comments are taken away', () => {
    const text = workerTemplate()
      .split('\n')
      .filter((line) => /^# ?\s*(- )?[a-zA-Z]+:( |$)/.test(line) && !/^# (days|A|When|Only): /.test(line))
      .map((line) => line.replace(/^# /, ''))
      .filter((line) => !line.startsWith('days:'))
      .join('\n');
    const parsed = parseWorkerFile(text);
    expect(policy(parsed)).toEqual({
      windows: [
        { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '18:00', to: '08:00' },
        { days: ['sat', 'sun'], from: '00:00', to: '24:00' },
      ],
      timeZone: 'Europe/London',
      idleMinutes: 10,
      whenClosed: 'finish',
      graceMinutes: 15,
      caps: { cores: 4, memoryMiB: 8_192, vramMiB: 8_192, diskMiB: 51_200, gpuTemperatureC: 80, bandwidthKiBps: 1_024 },
      allow: {
        workloads: ['ocr', 'ner'],
        kinds: ['ocr.read', 'ner.extract'],
        images: ['postgres:*', 'ghcr.io/example/*'],
      },
      jobs: { images: ['python:3.13-slim', 'ghcr.io/our-lab/*'] },
    });
    expect(parsed).toMatchObject({
      file: { settings: { url: 'https://pool.example.org', name: 'attic-pc', labels: { region: 'eu' } } },
    });
  });

  it('tells every mistake with line, column and what to write', () => {
    const text = [
      'url: pool.example.org',
      'schedule:',
      '  timeZone: Mars/Olympus',
      '  windows:',
      '    - days: [mon, funday]',
      '      from: 25:00',
      '      until: 08:00',
      'onlyWhenIdle: soon',
      'caps:',
      '  cores: many',
      '  bandwithKiBps: 100',
      'whenClosed: whatever',
    ].join('\n');
    const lines = complaints(text);
    expect(lines).toHaveLength(10);
    for (const [place, what] of [
      ['1:6', /url: write the address/],
      ['3:13', /timeZone: write an IANA time zone, such as Europe\/London/],
      ['5:19', /days: write some of mon, tue/],
      ['6:13', /from: write a time from 00:00 to 23:59/],
      ['7:7', /a window has no 'until'; there are days, from, to/],
      ['8:15', /onlyWhenIdle: write true, false, or/],
      ['10:10', /cores: write how many cores/],
      ['11:3', /caps has no 'bandwithKiBps'; there are .*bandwidthKiBps/],
      ['12:13', /whenClosed: write finish .* or return/],
    ] as const) {
      expect(lines.find((line) => line.startsWith(`worker.yaml:${place}: `))).toMatch(what);
    }
    expect(lines.some((line) => /to: is missing: write when the window closes/.test(line))).toBe(true);
  });

  it('that is no YAML names the line', () => {
    expect(complaints('url: "http://a\ncaps: {')[0]).toMatch(/^worker\.yaml:\d+:\d+: this is not YAML: /);
    expect(complaints('- a list')[0]).toMatch(/^worker\.yaml:1:1: write settings as `name: value`/);
    expect(complaints('a: 1\na: 2')[0]).toMatch(/^worker\.yaml:2:1: this is not YAML: .*unique/);
  });
});
