/** `rma join-command`: makes a join token, and the one line that brings a machine into the pool with it. */
import { type Command, Option } from 'commander';
import { FORM_TITLES, JOIN_FORMS, type Join, type JoinForm, joinLine } from '../join-lines.js';
import { PLAIN_AGENT_PATH, poolAddress, reachOf } from '../pool-address.js';
import { type GlobalOptions, withClient } from './connect.js';
import { formatTime, parseDurationMs } from './duration.js';
import { complain, print, printJson, say } from './terminal.js';
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
    .description('Makes a join token and prints the command that brings a machine into the pool with it.')
    .option('--docker', 'the command for Docker')
    .option('--node', 'for Node.js on Linux and macOS')
    .option('--powershell', 'for Node.js on Windows')
    .option('--systemd', 'for a service of systemd')
    .option('--gpu', 'Docker: with all NVIDIA GPUs')
    .option('--image <image>', 'Docker: another image than rma-cpu-worker or rma-gpu-worker')
    .option('--name <name>', 'what people call the machine (default: its host name)')
    .option('--expires <duration>', 'until when it may join', '1h')
    .option('--uses <n>', 'how many machines may join', parseUses, 1)
    .option('--owner <name>', 'who lends the machines')
    .addOption(new Option('--trust <trust>', 'what they may run').choices(['community', 'trusted']))
    .addHelpText(
      'after',
      `
Without a form, all are printed. The address is the coordinator's --public-url, where it has one, else --url.

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
  // A name that a shell cannot pass on is refused before there is a token.
  for (const form of forms) joinLine(form, { ...draft, token: 'token' });
  return withClient(options, async (client) => {
    const { lacksAgent, ...place } = await poolAddress(draft.url);
    if (lacksAgent) complain('the coordinator has no agent package: only the Docker form will work');
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
    say(`admits ${machines}${until}; end it by \`rma token revoke ${view.id}\``);
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
    say(
      `${url} is this machine alone: for others, start the coordinator with --public-url https://HOST (RMA_PUBLIC_URL)`,
    );
  } else if (reach === 'open') {
    say(`${url} is not encrypted, hence --insecure: only for a network that is yours`);
  }
}
