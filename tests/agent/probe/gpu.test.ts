import { parseCudaVersion, parseGpuLoads, parseMigDevices, readGpuLoads, readGpus } from '@rma/agent/probe/gpu';
import { Hardware } from '@rma/protocol/hardware';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { fixture, printed, smiOf } from './fixture.js';

const gpus = (name: string, exitCode = 0) => readGpus(smiOf({ gpus: [printed(name, exitCode)] }), 120_000);

describe('the GPUs of a machine', () => {
  it('are reported with memory, driver, CUDA version and UUID', async () => {
    const report = await readGpus(smiOf({ gpus: [printed('one-8gb-card')], version: printed('version') }), 0);
    expect(report).toEqual({
      status: 'ok',
      notes: [],
      gpus: [
        {
          index: 0,
          name: 'NVIDIA GeForce RTX 3070',
          vendor: 'NVIDIA',
          vramMiB: 8188,
          vramFreeMiB: 7421,
          driver: '550.90.07',
          cuda: '12.4',
          uuid: 'GPU-3d1f0a5e-5e35-7a0b-9a52-1f8e6a0b7c11',
        },
      ],
    });
  });

  it('are all reported, also when a name contains a comma', async () => {
    const report = await gpus('two-cards');
    expect(report.gpus.map(({ index, name, vramMiB }) => [index, name, vramMiB])).toEqual([
      [0, 'NVIDIA GeForce RTX 4090', 24564],
      [1, 'NVIDIA Tesla, Model X', 16384],
    ]);
  });

  it('are replaced by their MIG devices where they are divided', async () => {
    const report = await readGpus(smiOf({ gpus: [printed('mig')], list: printed('mig-list') }), 0);
    expect(report.gpus.map(({ index, mig, vramMiB, vramFreeMiB }) => [index, mig, vramMiB, vramFreeMiB])).toEqual([
      [0, '3g.20gb', 18022, undefined],
      [0, '1g.5gb+me', 4505, undefined],
      [1, undefined, 40960, 40960],
    ]);
    expect(report.gpus[0]?.uuid).toBe('MIG-e07a497d-1bb6-5a42-b670-1c33bf55ab6e');
    expect(report.notes).toEqual([]);
  });

  it('leave out one in MIG mode that has no MIG device, and say so', async () => {
    const report = await gpus('mig');
    expect(report.gpus.map((gpu) => gpu.index)).toEqual([1]);
    expect(report.notes).toEqual(['GPU 0 (NVIDIA A100-SXM4-40GB) is in MIG mode and has no MIG device to use']);
  });

  it('count the usable system memory where they share it', async () => {
    const report = await gpus('unified-memory');
    expect(report.gpus[0]).toMatchObject({ name: 'NVIDIA GB10', vramMiB: 120_000 });
    expect(report.gpus[0]).not.toHaveProperty('vramFreeMiB');
    expect(report.notes[0]).toContain("shares the system's memory");
  });

  it('count no memory for a discrete card that fails to tell it, rather than the system memory', async () => {
    const report = await gpus('memory-not-reported');
    expect(report.gpus[0]?.vramMiB).toBe(0);
    expect(report.notes[0]).toContain('[Unknown Error]');
  });

  it('are reported, with a note on one that is lost', async () => {
    const report = await gpus('lost-gpu');
    expect(report.gpus.map((gpu) => gpu.name)).toEqual(['NVIDIA RTX A6000']);
    expect(report.notes).toEqual([
      'nvidia-smi: Unable to determine the device handle for GPU1: 0000:34:00.0: Unknown Error (reset the GPU or reboot)',
    ]);
  });

  it('are asked for again without the MIG field where the driver does not know it', async () => {
    const report = await readGpus(smiOf({ gpus: [printed('field-unknown', 2), printed('before-mig')] }), 0);
    expect(report.gpus).toMatchObject([{ name: 'GeForce GTX 1080', vramMiB: 8119, driver: '440.33.01' }]);
    expect(report.notes).toEqual([]);
  });

  it.each([
    ['driver-not-loaded', 9, "couldn't communicate with the NVIDIA driver", 'load or install the NVIDIA driver'],
    ['version-mismatch', 18, 'Driver/library version mismatch', 'reboot'],
    ['no-devices', 6, 'No devices were found', ''],
  ])(
    'are none when nvidia-smi fails with %s, and the note names cause and remedy',
    async (name, exit, cause, remedy) => {
      const report = await gpus(name, exit);
      expect(report).toMatchObject({ status: 'failed', gpus: [] });
      expect(report.notes[0]).toContain(cause);
      expect(report.notes[0]).toContain(remedy);
    },
  );

  it('are none, with a note, where nvidia-smi is absent or hangs', async () => {
    expect(await readGpus(async () => ({ kind: 'absent' }), 0)).toEqual({
      status: 'absent',
      gpus: [],
      notes: ['nvidia-smi not found'],
    });
    const hanging = await readGpus(async () => ({ kind: 'timeout', afterMs: 10_000 }), 0);
    expect(hanging.status).toBe('failed');
    expect(hanging.notes[0]).toContain('did not answer within 10 s');
  });

  it('never exceed what the schema admits, whatever is printed', async () => {
    const rows = Array.from({ length: 90 }, (_, at) => `${at}, ${'\u001b[31mN'.repeat(200)}, 99999999, 1, 2, 3, [N/A]`);
    const report = await readGpus(smiOf({ gpus: [{ kind: 'done', exitCode: 0, output: rows.join('\n') }] }), 0);
    expect(report.gpus).toHaveLength(64);
    expect(Check(Hardware.properties.gpus, report.gpus)).toBe(true);
  });
});

describe('the load of GPUs', () => {
  it('leaves out what a GPU does not tell', () => {
    expect(parseGpuLoads(fixture('load'))).toEqual([
      { index: 0, load: 0.87, temperatureC: 71, vramUsedMiB: 7012 },
      { index: 1, temperatureC: 33, vramUsedMiB: 634 },
      { index: 2, load: 0.12, temperatureC: 45 },
    ]);
  });

  it('is empty, with the reason for asking later, when nvidia-smi fails', async () => {
    const failing = await readGpuLoads(smiOf({ load: printed('version-mismatch', 18) }));
    expect(failing).toEqual({ status: 'failed', gpus: [] });
    expect(await readGpuLoads(async () => ({ kind: 'absent' }))).toEqual({ status: 'absent', gpus: [] });
  });
});

describe('what else nvidia-smi prints', () => {
  it('gives the CUDA version under its old and its new name, and none from an error', () => {
    expect(parseCudaVersion(fixture('version'))).toBe('12.4');
    expect(parseCudaVersion(fixture('version-r610'))).toBe('13.3');
    expect(parseCudaVersion('Invalid combination of input arguments.')).toBeUndefined();
  });

  it('lists MIG devices under their GPU', () => {
    expect(parseMigDevices(fixture('mig-list')).map(({ gpuIndex, profile }) => [gpuIndex, profile])).toEqual([
      [0, '3g.20gb'],
      [0, '1g.5gb+me'],
    ]);
  });
});
