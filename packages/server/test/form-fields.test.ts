import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { boundaryOf, fieldsNamed } from '../src/bytes/form-fields.ts';
import { askedModel } from '../src/gateway/asked-model.ts';
import { GatewayRefused } from '../src/gateway/gateway-refused.ts';

const FORM_TYPE = 'multipart/form-data; boundary=b';

function valuesOf(form: string, name: string): string[] {
  const bytes = Buffer.from(form);
  return [...fieldsNamed(bytes, 'b', name)].map(({ start, end }) => bytes.toString('utf8', start, end));
}

function part(head: string, value: string): string {
  return `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}\r\n`;
}

test('a boundary is read as clients write it', () => {
  const cases = [
    ['multipart/form-data; boundary=----WebKit7', '----WebKit7'],
    ['Multipart/Form-Data;charset=utf-8; Boundary="a b"', 'a b'],
    ['multipart/form-data', null],
    ['multipart/mixed; boundary=b', null],
    ['application/json', null],
    ['', null],
  ] as const;
  for (const [type, boundary] of cases) assert.equal(boundaryOf(type), boundary, type);
});

test('fields are found wherever they stand, and files are none', () => {
  const file = part('name="file"; filename="a"', 'name="model"\r\n\r\nfalse');
  const form = `preamble\r\n${part('name="model"', 'one')}${file}${part('name=model', '')}${part('name="model"; filename="m"', 'no')}--b--\r\n`;
  assert.deepEqual(valuesOf(form, 'model'), ['one', '']);
  assert.deepEqual(valuesOf(form, 'mode'), []);
  assert.deepEqual(valuesOf(form.slice(0, -12), 'model'), ['one', '']);
});

test("what the platform's own forms hold is found as it was given", async () => {
  const fields = fc.array(
    fc.tuple(fc.constantFrom('model', 'models', 'prompt'), fc.string({ unit: 'grapheme' })),
  );
  const property = fc.asyncProperty(fields, fc.uint8Array(), async (given, content) => {
    const form = new FormData();
    form.append('file', new File([content], 'a.mp3'));
    for (const [name, value] of given) form.append(name, value);
    const request = new Request('http://x', { method: 'POST', body: form });
    const boundary = boundaryOf(request.headers.get('content-type')!)!;
    const bytes = Buffer.from(await request.arrayBuffer());
    const found = [...fieldsNamed(bytes, boundary, 'model')].map(({ start, end }) =>
      bytes.toString('utf8', start, end),
    );
    // As the standard has forms write line breaks.
    const expected = given
      .filter(([name]) => name === 'model')
      .map(([, value]) => value.toWellFormed().replaceAll(/\r\n?|\n/g, '\r\n'));
    assert.deepEqual(found, expected);
  });
  await fc.assert(property, { numRuns: 200 });
});

test('a form that names no model, several or an empty one is refused, and no broken one ends Bora', () => {
  const forms = [
    '',
    'x',
    '--b',
    '--b\r\n\r\n',
    `${part('name="file"; filename="a"', 'x')}--b--`,
    `${part('name="model"', '')}--b--`,
    `${part('name="model"', 'a')}${part('name="model"', 'b')}--b--`,
    part('name="model"', 'cut').slice(0, -2),
  ];
  for (const form of forms) {
    assert.throws(
      () => askedModel({ body: Buffer.from(form), formType: FORM_TYPE }),
      (error) => error instanceof GatewayRefused && error.refusal === 'no_model',
      form,
    );
  }
});

test('another name takes the place of the model, and every other byte stays', () => {
  const form = (model: string): string =>
    `${part('name="file"; filename="a"', '\0ÿ')}${part('name="model"', model)}--b--\r\n`;
  const asked = askedModel({ body: Buffer.from(form('alias')), formType: FORM_TYPE });
  assert.equal(asked.name, 'alias');
  assert.equal(Buffer.from(asked.renamed('größer')).toString(), form('größer'));
});
