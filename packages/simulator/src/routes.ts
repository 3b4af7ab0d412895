import type { IncomingMessage, ServerResponse } from 'node:http';
import { control } from './control.ts';
import { ENDPOINTS } from './endpoints.ts';
import type { Exchanges } from './exchanges.ts';
import { metricsText } from './metrics.ts';
import { INTERNAL_ERROR, NO_SUCH_PATH, WRONG_KEY, WRONG_METHOD } from './refusals.ts';
import { refuse, send, sendJson } from './send.ts';
import type { SimulatorSettings } from './settings.ts';
import type { Simulator } from './simulator.ts';

/** What OpenAI's clients read, and what Mistral's read beyond that. */
const MODEL_CARD = {
  object: 'model',
  created: 1_767_225_600,
  owned_by: 'simulator',
  type: 'base',
  capabilities: {
    completion_chat: true,
    completion_fim: true,
    function_calling: false,
    fine_tuning: false,
    vision: false,
    ocr: true,
    classification: true,
    moderation: true,
    audio_transcription: true,
  },
} as const;

const CONTROL = '/simulator/';

/** Answers every path the simulator knows. */
export function route(
  simulator: Simulator,
  exchanges: Exchanges,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const path = (request.url ?? '').split('?', 1)[0];
  const { endpoints } = simulator.settings;
  const endpoint = endpoints === null || endpoints.includes(path) ? ENDPOINTS.get(path) : undefined;
  if (endpoint === undefined && ENDPOINTS.has(path)) return refuse(response, NO_SUCH_PATH);
  if (endpoint !== undefined || (path.startsWith(CONTROL) && path !== '/simulator/stats')) {
    if (request.method !== 'POST') return refuse(response, WRONG_METHOD);
    return readBody(request, (body) => {
      if (endpoint !== undefined) return exchanges.take(request, body, endpoint, response);
      control(simulator, path.slice(CONTROL.length), body, response).catch(() =>
        refuse(response, INTERNAL_ERROR),
      );
    });
  }
  if (request.method !== 'GET') return refuse(response, WRONG_METHOD);
  if (path === '/health') send(response, 200, 'text/plain', '');
  else if (path === '/metrics') {
    send(response, 200, 'text/plain; version=0.0.4', metricsText(simulator.stats(), simulator.settings));
  } else if (path === '/simulator/stats') sendJson(response, 200, simulator.stats());
  else if (path === '/v1/models') listModels(simulator.settings, request, response);
  else refuse(response, NO_SUCH_PATH);
}

function listModels(settings: SimulatorSettings, request: IncomingMessage, response: ServerResponse): void {
  if (settings.apiKey !== null && request.headers.authorization !== `Bearer ${settings.apiKey}`) {
    return refuse(response, WRONG_KEY);
  }
  const data = settings.models.map((id) => ({ id, ...MODEL_CARD }));
  sendJson(response, 200, { object: 'list', data });
}

/** Calls `done` with the whole body; never, if the client leaves before it is complete. */
function readBody(request: IncomingMessage, done: (body: Buffer) => void): void {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => done(parts.length === 1 ? parts[0] : Buffer.concat(parts)));
}
