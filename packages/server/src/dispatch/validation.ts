import type { BatchValidation } from '../batches/plan.ts';
import type { RequestRules } from '../batches/lines/request-rules.ts';
import type { Upstreams } from '../upstreams/upstreams.ts';

export interface ValidationSettings extends Omit<BatchValidation, 'rulesFor'> {
  /** Endpoints that a batch of OpenAI's dialect may have, with what each requires in `body`: one of these members, or nothing. */
  readonly endpoints: Readonly<Record<string, readonly string[]>>;
  readonly mixedModels: RequestRules['mixedModels'];
}

export function batchValidation(
  upstreams: Pick<Upstreams, 'models'>,
  { endpoints, mixedModels, maxRequests, maxLineBytes }: ValidationSettings,
): BatchValidation {
  return {
    maxRequests,
    maxLineBytes,
    rulesFor: (endpoint) => {
      const { reachable, models, unheard } = upstreams.models(endpoint);
      return {
        endpoint,
        endpoints: Object.keys(endpoints),
        required: endpoints[endpoint] ?? [],
        mixedModels,
        // A batch does not fail for a server that is down: what it would serve is not known, so its requests wait.
        models: reachable && unheard.length === 0 ? models : 'any',
      };
    },
  };
}
