/** `rma join-command`: creates a join token and prints the command that joins a machine with it. */
import { type Command, Option } from 'commander';
import { FORM_TITLES, JOIN_FORMS, type Join, type JoinForm, joinLine } from '../join-lines.js';
import { PLAIN_AGENT_PATH, poolAddress, reachOf } from '../pool-address.js';
import { type GlobalOptions, withClient } from './connect.js';
import { formatTime, parseDurationMs } from './duration.js';
import { print, printError, printJson, printStatus } from './terminal.js';
import { parseUses } from './token-commands.js';

interface JoinOptions extends GlobalOptions, Readonly<Partial<Record<JoinForm, boolean>>> {
  readonly gpu?: boolean;
  readonly name?: string;
  readonly image?: string;
  readonly expires: string;
  readonly uses: number;
  readonly owner?: string;
  readonly trust?: 'community' | 'trusted';
}

export function addJoinCommand(program: Command, finish: (status: number) => void): void {
  program
    .command('join-command')
    .description('Creates a join token and prints the command that joins a machine to the pool with it.')
    .option('--docker', 'print the command for Docker')
    .option('--node', '… for Node.js on Linux and macOS')
    .option('--powershell', '… for Node.js on Windows, in PowerShell')
    .option('--systemd', '… for a systemd service on Linux')
    .option('--gpu', 'Docker: use all NVIDIA GPUs')
    .option('--image <image>', 'Docker: the image (default: rma-cpu-worker, or rma-gpu-worker with --gpu)')
    .option('--name <name>', 'the name of the machine (default: its host name)')
    .option('--expires <duration>', 'how long the token is valid', '1h')
    .option('--uses <n>', 'how many machines may join', parseUses, 1)
    .option('--owner <name>', 'the donor who lends the machines')
    .addOption(
      new Option('--trust <trust>', 'community, or trusted for your own machines (default: community)').choices([
        'community',
        'trusted',
      ]),
    )
    .addHelpText(
      'after',
      `
Without --docker, --node, --powershell or --systemd, all four are printed. They use the coordinator's --public-url if it
has one, else --url.

Examples:
  rma join-command --docker --gpu --name rig-1
  rma join-command --node --uses 20 --expires 7d --owner physics-lab`,
    )
    .action(async (_: unknown, command: Command) => {
      finish(await joinCommand(command.optsWithGlobals<JoinOptions>()));
    });
}

async function joinCommand(options: JoinOptions): Promise<number> {
  const chosen = JOIN_FORMS.filter((form) => options[form] === true);
  const forms = chosen.length > 0 ? chosen : JOIN_FORMS;
  const expiresInSeconds = Math.ceil(parseDurationMs(options.expires, '--expires') / 1_000);
  const draft: Omit<Join, 'token'> = {
    url: httpUrl(options.url),
    agentPath: PLAIN_AGENT_PATH,
    name: options.name,
    gpu: options.gpu === true,
    image: options.image,
  };
  // Refuses a name that a shell cannot pass on before a token is created.
  for (const form of forms) joinLine(form, { ...draft, token: 'token' });
  return withClient(options, async (client) => {
    const { lacksAgent, ...place } = await poolAddress(draft.url);
    if (lacksAgent) printError('the coordinator has no agent package: only the Docker form will work');
    const { token, view } = await client.createToken({
      role: 'join',
      name: options.name ?? 'join-command',
      expiresInSeconds,
      uses: options.uses,
      ...(options.owner === undefined ? {} : { owner: options.owner }),
      ...(options.trust === undefined ? {} : { trust: options.trust }),
    });
    const join: Join = { ...draft, ...place, token };
    const lines = Object.fromEntries(forms.map((form) => [form, joinLine(form, join)]));
    if (options.json) {
      await printJson({ url: join.url, token: view, commands: lines });
      return 0;
    }
    for (const form of forms) {
      if (forms.length > 1) await print(`# ${FORM_TITLES[form]}`);
      await print(lines[form] as string);
      if (forms.length > 1) await print('');
    }
    const machines = options.uses === 1 ? 'one machine' : `${options.uses} machines`;
    const until = view.expiresAt === undefined ? '' : ` until ${formatTime(view.expiresAt)}`;
    printStatus(`admits ${machines}${until}; revoke it with \`rma token revoke ${view.id}\``);
    warnOfAddress(join.url);
    return 0;
  });
}

function httpUrl(url: string): string {
  return url.replace(/^ws/, 'http').replace(/\/+$/, '').replace(/\/ws$/, '');
}

function warnOfAddress(url: string): void {
  const reach = reachOf(url);
  if (reach === 'loopback') {
    printStatus(
      `${url} is reachable from this machine only: for others, start the coordinator with --public-url https://HOST (RMA_PUBLIC_URL)`,
    );
  } else if (reach === 'open') {
    printStatus(`${url} is not encrypted, hence --insecure: use it only on your own network`);
  }
}
