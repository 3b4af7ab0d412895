import type { ServerResponse } from 'node:http';
import { SettingsError } from './read-settings.ts';
import { NO_SUCH_PATH, refusal } from './refusals.ts';
import { refuse, sendJson } from './send.ts';
import type { SimulatorSettings } from './settings.ts';
import type { Simulator } from './simulator.ts';

/** The longest outage, in seconds. */
const MAX_OUTAGE_SECONDS = 3600;

/** `POST /simulator/…`: turns the knobs of a running simulator from any language. Bodies are JSON, but for `received`. */
export async function control(
  simulator: Simulator,
  action: string,
  body: Buffer,
  response: ServerResponse,
): Promise<void> {
  try {
    if (action === 'reset') {
      simulator.reset();
      sendJson(response, 200, simulator.stats());
    } else if (action === 'configure') {
      await simulator.configure(changesOf(body));
      sendJson(response, 200, simulator.settings);
    } else if (action === 'received') sendJson(response, 200, simulator.received(body));
    else if (action === 'outage') {
      const seconds = outageSecondsOf(body);
      sendJson(response, 200, { seconds });
      response.once('close', () => void simulator.outage(seconds * 1000));
    } else refuse(response, NO_SUCH_PATH);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    refuse(response, refusal(400, 'BadRequestError', error.message));
  }
}

function changesOf(body: Buffer): Partial<SimulatorSettings> {
  const changes = objectOf(body);
  if (changes.down === true) {
    throw new SettingsError(
      'Down, the simulator could not be told to come up again. POST {"seconds": 10} to /simulator/outage instead.',
    );
  }
  return changes;
}

function outageSecondsOf(body: Buffer): number {
  const { seconds } = objectOf(body);
  if (typeof seconds === 'number' && seconds > 0 && seconds <= MAX_OUTAGE_SECONDS) return seconds;
  throw new SettingsError(`seconds must be a number above 0, up to ${MAX_OUTAGE_SECONDS}.`);
}

function objectOf(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    value = null;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new SettingsError('The body must be a JSON object, such as {"slots": 8}.');
}
