/**
 * The pool on the screenshots: a real coordinator, a real agent for OCR, entities and embeddings, simulated machines
 * (machines.mjs), clients that submit tasks, and actions of an admin.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from '@rma/client';
import { SetupError } from '../progress.mjs';
import { Machine, PLANS } from './machines.mjs';

const STEADY_MS = 260;
const REAL_MS = 5_000;
const LETTER = 'The tenant must give two months’ notice in writing, and may ask for an inventory before leaving.';

/** @typedef {{url: string, admin: string, paths: Record<string, string>, stop: () => Promise<void>}} ShownPool */

/** @param {string} root @param {string} data @param {number} port @returns {Promise<ShownPool>} */
export async function startPool(root, data, port) {
  // A page shows the path of the catalogue: not one of the checkout.
  copyFileSync(join(root, 'catalog.yaml'), join(data, 'catalog.yaml'));
  const coordinator = ['server/bin/rma-coordinator.js', '--data', data, '--port', String(port)];
  const children = [spawnNode(root, [...coordinator, '--pool', 'Harbour Community Pool'])];
  const url = await listening(children[0]);
  const token = (/** @type {string} */ name) => readFileSync(join(data, `${name}.token`), 'utf8').trim();
  const admin = connect({ url, token: token('admin') });
  const joins = await joinTokens(admin);
  const machines = PLANS.map((plan) => new Machine(plan));
  for (const machine of machines) await machine.join(`${url.replace('http', 'ws')}/ws`, joins[machine.plan.token]);
  children.push(spawnAgent(root, url, data));
  const notebooks = await admin.createToken({ role: 'client', name: 'lab-notebooks' });
  const intake = await admin.createToken({ role: 'client', name: 'intake-desk', expiresInSeconds: 86_400 * 90 });
  const old = await admin.createToken({ role: 'client', name: 'old-laptop' });
  const clients = [notebooks, intake].map((made) => connect({ url, token: made.token }));
  const [research = admin, desk = admin] = clients;
  await administer(admin, machines, old.view.id);
  const timers = [setInterval(() => steady(research, desk), STEADY_MS)];
  const letter = readFileSync(join(root, 'docs/samples/letter.png'));
  const ocr = desk.submit('ocr.read', { file: new Uint8Array(letter) }, { priority: 10 });
  timers.push(setInterval(() => real(desk), REAL_MS));
  const waiting = research.submit(
    'llm.chat',
    { messages: [{ role: 'user', content: 'Which clauses changed?' }] },
    { constraints: { minVramMiB: 80_000 } },
  );
  const watched = (/** @type {{result(): Promise<unknown>}} */ task) => task.result().catch(() => undefined);
  void watched(waiting);
  await ocr.result();
  return {
    url,
    admin: token('admin'),
    paths: { worker: `/workers/${machines[2]?.id}`, task: `/tasks/${ocr.id}`, join: `/join#${joins.home}` },
    async stop() {
      for (const timer of timers) clearInterval(timer);
      for (const client of [...clients, admin]) await client.close();
      for (const machine of machines) machine.leave();
      for (const child of children.reverse()) await ended(child);
    },
  };
}

/** Makes the entries of the audit log. @param {import('@rma/client').Client} admin @param {Machine[]} machines @param {string} old */
async function administer(admin, machines, old) {
  const named = (/** @type {string} */ name) => machines.find(({ plan }) => plan.name === name);
  const [draining, gone, away, pinned] = [
    named('office-print-room'),
    named('pi-cluster-2'),
    named('vps-nuremberg'),
    named('lab-node-07'),
  ];
  if (draining) await admin.drainWorker(draining.id);
  if (pinned) await admin.pinWorker(pinned.id, 3);
  if (away) {
    await admin.renameWorker(away.id, 'vps-nuremberg-1');
    away.leave();
  }
  if (gone) {
    await admin.revokeWorker(gone.id);
    gone.leave();
  }
  await admin.revokeToken(old);
}

/** @param {import('@rma/client').Client} research @param {import('@rma/client').Client} desk */
function steady(research, desk) {
  const dice = Math.random();
  const [client, kind, input] =
    dice < 0.45
      ? [desk, 'mail.classify', { subject: 'Invoice 2291', text: 'Please find our invoice attached.' }]
      : dice < 0.7
        ? [research, 'llm.chat', { messages: [{ role: 'user', content: `Summarise: ${LETTER}` }] }]
        : dice < 0.85
          ? [desk, 'text.summarise', { text: LETTER }]
          : dice < 0.95
            ? [research, 'image.caption', { url: 'https://example.org/market.jpg' }]
            : [desk, 'audio.transcribe', { seconds: 312 }];
  const task = client.submit(kind, input, { watch: false, maxAttempts: 2 });
  task.accepted.catch(() => undefined);
}

/** Tasks for the real agent. @param {import('@rma/client').Client} client */
function real(client) {
  const text = 'Dr Amara Okafor paid £1,250 to Harbour & Finch Solicitors LLP in Leeds on 3 May 2025.';
  for (const task of [client.submit('ner.extract', { text }), client.submit('text.embed', { texts: [text, LETTER] })]) {
    task.accepted.catch(() => undefined);
  }
}

/** @param {import('@rma/client').Client} admin @returns {Promise<Record<'home' | 'lab' | 'office', string>>} */
async function joinTokens(admin) {
  const daySeconds = 86_400;
  const [home, lab, office] = await Promise.all([
    admin.createToken({ role: 'join', name: 'members', uses: 50, owner: 'members' }),
    admin.createToken({ role: 'join', name: 'university-lab', uses: 10, owner: 'prof-okafor' }),
    admin.createToken({
      role: 'join',
      name: 'finch-office',
      uses: 10,
      owner: 'finch-solicitors',
      expiresInSeconds: daySeconds * 7,
    }),
  ]);
  return { home: home.token, lab: lab.token, office: office.token };
}

/** A real agent, with the embedded workloads. @param {string} root @param {string} url @param {string} data */
function spawnAgent(root, url, data) {
  return spawnNode(root, [
    'agent/bin/rma-worker.js',
    ...['--url', url, '--token-file', join(data, 'local.token'), '--state', join(data, 'worker')],
    ...['--name', 'front-desk', '--only', 'document,ner,embed,ocr', '--engine', 'none', '--no-detect'],
  ]);
}

/** @param {string} root @param {string[]} args */
function spawnNode(root, args) {
  return spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
}

/** @param {import('node:child_process').ChildProcess | undefined} child @returns {Promise<string>} where it serves */
function listening(child) {
  return new Promise((resolve, reject) => {
    if (!child?.stdout) throw new SetupError('the coordinator was not started');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /^listening on (\S+)$/.exec(line)?.[1];
      if (url) resolve(url);
    });
    child.once('close', () => reject(new SetupError('the coordinator ended before it served: is its port free?')));
  });
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<void>} */
async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => {
    child.once('close', resolve);
  });
  child.kill('SIGTERM');
  await closed;
}
