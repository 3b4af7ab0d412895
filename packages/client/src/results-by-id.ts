import { BoraError } from './bora-error.ts';
import type { JsonObject, RequestOutcome } from './outcome.ts';

/**
 * Outcomes by their `custom_id`, all in memory: about one and a half times the bytes of the result files. For results that are too large
 * for that, iterate.
 * @throws BoraError `duplicate_custom_id` if two have the same or one has none: one of them would be lost.
 */
export async function resultsByCustomId<Body = JsonObject>(
  outcomes: AsyncIterable<RequestOutcome<Body>> | Iterable<RequestOutcome<Body>>,
): Promise<Map<string, RequestOutcome<Body>>> {
  const byId = new Map<string, RequestOutcome<Body>>();
  for await (const outcome of outcomes) {
    const { customId } = outcome;
    if (customId === null || byId.has(customId))
      throw new BoraError(
        `${customId === null ? 'A request has no custom_id' : `Two requests have the custom_id ${JSON.stringify(customId)}`}, ` +
          'so results cannot be found by it. Iterate over them instead.',
        { code: 'duplicate_custom_id' },
      );
    byId.set(customId, outcome);
  }
  return byId;
}
