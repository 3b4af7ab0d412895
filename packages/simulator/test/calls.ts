import { setImmediate } from 'node:timers/promises';
import type { Simulator } from '@bora/simulator/simulator';

export function chatBody(text: string, members: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ model: 'simulated-chat', messages: [{ role: 'user', content: text }], ...members });
}

export function post(
  url: string,
  path: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
}

export function chat(
  simulator: Simulator,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return post(simulator.url, '/v1/chat/completions', body, headers);
}

/** Sends requests with texts `0`, `1`, …, each once, and answers their statuses; 0 for a connection that broke. */
export async function statuses(simulator: Simulator, count: number): Promise<number[]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      try {
        const response = await chat(simulator, chatBody(String(index)));
        await response.arrayBuffer();
        return response.status;
      } catch {
        return 0;
      }
    }),
  );
}

/** Tells whether `fetch` failed for this error of the system. */
export function brokenBy(code: string): (error: Error) => boolean {
  return ({ cause }) => (cause as NodeJS.ErrnoException | undefined)?.code === code;
}

/** Lets sockets be served until the condition holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await setImmediate();
}
