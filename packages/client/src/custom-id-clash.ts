import type { BatchRequest } from './request-builders.ts';
import type { RequestProblem } from './request-check.ts';

/** The `custom_id` of a request that has none. */
export function madeCustomId(place: number): string {
  return `request-${place}`;
}

/**
 * Finds, request by request, that a `custom_id` which was given may be one that is made for another request. To be sure takes all of them
 * in memory; so a list may not have both ids that read like made ones of other places, and requests without any.
 */
export function clashFinder(): (request: BatchRequest, place: number) => RequestProblem | null {
  let isMade = false;
  let readsLikeMade = false;
  return ({ custom_id: given }, place) => {
    const hasNone = given === undefined || given === null;
    if (hasNone) isMade = true;
    else if (given !== madeCustomId(place) && /^request-\d+$/.test(given)) readsLikeMade = true;
    if (!isMade || !readsLikeMade) return null;
    const message =
      `Request ${place}: Some requests of the list have a custom_id like "request-7", and others have none and get one like it, so two ` +
      'could be the same. Give all of them one, or give ids of another kind.';
    return { place, customId: given ?? null, code: 'duplicate_custom_id', message };
  };
}
