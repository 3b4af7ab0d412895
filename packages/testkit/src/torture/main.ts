import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { STOP_POINTS, type StopPoint } from '@bora/server/observe/stop-points';
import type { TortureBooks } from './books.ts';
import { reportOf, reportText } from './report.ts';
import { TortureRun } from './torture-run.ts';

const USAGE = `npm run torture -- [--kills N] [--seed S] [--only POINT] [--folder DIR] [--json]

Kills a Bora that works, by SIGKILL, at random moments and at stop points, starts it again, and holds it to what it had
acknowledged. What was not synced is lost with it, as in a power cut.

  --kills N      how many kills, default 1000
  --seed S       of a new run; it is printed
  --only POINT   all kills at one stop point: ${STOP_POINTS.join(', ')}
  --folder DIR   where the run lives, default ${join(tmpdir(), 'bora-torture')}; with the same folder it goes on where it ended
  --json         the report as JSON

Ctrl-C ends it in order. Exit code 1: a promise was broken, or something was never visited; 2: bad arguments.`;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: 'string' },
    folder: { type: 'string', default: join(tmpdir(), 'bora-torture') },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const only = STOP_POINTS.find((point) => point === values.only) ?? null;
const numbers = [values.kills, values.seed].map(Number);
const areGood = numbers.every(Number.isSafeInteger) && (values.only === undefined || only !== null);

if (values.help || !areGood) {
  console.log(USAGE);
  process.exitCode = areGood ? 0 : 2;
} else {
  process.exitCode = await torture(numbers[0] ?? 0, numbers[1] ?? 0, only);
}

async function torture(kills: number, seed: number, point: StopPoint | null): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const { folder, json } = values;
  await using run = await TortureRun.open({ folder, kills, seed, only: point });
  say(
    `Seed ${run.books.seed}, folder ${folder}${run.books.kills > 0 ? `, going on after kill ${run.books.kills}` : ''}`,
  );
  let violation: string | null = null;
  try {
    await run.run(progressOf(run.books, kills), stop.signal);
  } catch (error) {
    violation =
      error instanceof Error && error.name === 'PromiseBroken'
        ? error.message
        : String((error as Error).stack);
  }
  say('');
  const report = reportOf(run.books, violation, point);
  console.log(json ? JSON.stringify(report) : reportText(report));
  if (violation !== null) say(`The folder lies as it was found: ${folder}`);
  if (stop.signal.aborted) say(`Stopped. It goes on with --folder ${folder}`);
  return violation === null && (report.unvisited.length === 0 || stop.signal.aborted) ? 0 : 1;
}

/** On a terminal one line drawn anew, elsewhere a line every 20 kills. */
function progressOf(begun: TortureBooks, kills: number): (books: TortureBooks) => void {
  const first = begun.kills;
  const started = performance.now();
  return (books) => {
    const seconds = (performance.now() - started) / 1000;
    const perKill = seconds / Math.max(1, books.kills - first);
    const left = Math.round(((kills - books.kills) * perKill) / 60);
    const text = `kill ${books.kills} of ${kills}, ${perKill.toFixed(1)} s each, ${left} min left; ${books.jobsEnded} jobs, ${books.requestsEnded} lines`;
    if (process.stderr.isTTY) process.stderr.write(`\r\u001B[2K${text}`);
    else if (books.kills % 20 === 0) say(text);
  };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
