/**
 * Headless dashboards: `subscribers.mjs PORT DATA-DIRECTORY`, then `{attach: N}`: each has its own SDK connection with
 * the overview page's subscriptions. Answered by `{attached: N, updates}`, the changes received since the last answer.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@rma/client';

const [port, data] = process.argv.slice(2);
const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
const attached = [];
let updates = 0;

async function attach() {
  const client = connect({ url: `http://127.0.0.1:${port}`, token });
  await client.ready();
  const count = () => {
    updates++;
  };
  for (const live of [client.liveOverview(), client.liveWorkers(), client.liveRecent()]) live.subscribe(count);
  attached.push(client);
}

process.on('message', async ({ attach: wanted }) => {
  while (attached.length < wanted) await attach();
  while (attached.length > wanted) await attached.pop().close();
  process.send({ attached: attached.length, updates });
  updates = 0;
});
process.on('disconnect', () => process.exit(0));
process.send({ ready: true });
