/** Models that are named; the rest is counted. */
const MODELS_SHOWN = 4;

/** What an upstream serves, in a few words; `*` is any name. */
export function modelsText(serves: readonly string[]): string {
  if (serves.includes('*')) return 'every model';
  if (serves.length === 0) return 'no model';
  const shown = serves.slice(0, MODELS_SHOWN).join(', ');
  return serves.length > MODELS_SHOWN ? `${shown} and ${serves.length - MODELS_SHOWN} more` : shown;
}
