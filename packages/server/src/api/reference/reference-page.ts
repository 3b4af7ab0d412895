import { openApiDocument } from '@bora/protocol/openapi';

interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Described {
  readonly tags: readonly string[];
  readonly summary: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Contents };
  readonly responses: { readonly 200: { readonly content: Contents } };
}

type Contents = Readonly<Record<string, { readonly schema?: Schema }>>;

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2327; background: #fff; }
  h2 { margin-top: 3rem; } summary { cursor: pointer; padding: .3rem 0; } code { font: 14px ui-monospace, monospace; }
  .method { display: inline-block; width: 5rem; font-weight: 600; color: #0b6e6e; } .path { margin-right: 1rem; }
  table { border-collapse: collapse; margin: .3rem 0 1rem 1rem; } td { padding: .15rem .8rem .15rem 0; vertical-align: top; border-top: 1px solid #e3e6e8; }
  h4 { margin: .8rem 0 .2rem 1rem; } .note { color: #57606a; } .inner { padding-left: 1.2rem; }
  @media (prefers-color-scheme: dark) { body { color: #e6e8ea; background: #14181b; } .method { color: #4fd1c5; } td { border-color: #2c3338; } .note { color: #9aa4ad; } }
`;

/** The OpenAPI document as a page without scripts. */
export function referencePage(version: string): string {
  const { paths, tags } = openApiDocument(version) as {
    paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
    tags: readonly { readonly name: string }[];
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const groups = tags.map(({ name }) => {
    const items = operations
      .filter(({ operation }) => operation.tags.includes(name))
      .map(({ path, method, operation }) => operationHtml(path, method, operation));
    return `<h2>${escaped(name)}</h2>\n${items.join('\n')}`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Bora ${escaped(version)}: the API</title>
<style>${STYLE}</style></head><body>
<h1>Bora ${escaped(version)}: the API</h1>
<p>Every call that Bora takes. For programs the same is at <a href="openapi.json"><code>/openapi.json</code></a>.</p>
${groups.join('\n')}
</body></html>
`;
}

function operationHtml(path: string, method: string, operation: Described): string {
  const { summary, security, parameters = [], requestBody, responses } = operation;
  const [scope] = security.flatMap((one) => Object.values(one).flat());
  const tables = Object.entries({ Query: 'query', Headers: 'header' }).map(([title, place]) => {
    const rows = parameters.filter((parameter) => parameter.in === place);
    return rows.length === 0
      ? ''
      : `<h4>${title}</h4>${tableOf(rows.map(({ name, schema }) => [name, schema, false]))}`;
  });
  return `<details><summary><span class="method">${method.toUpperCase()}</span><code class="path">${escaped(path)}</code> ${withCode(summary)}</summary>
<p class="note inner">${scope === undefined ? 'Needs no key.' : `Needs a key of the scope <code>${scope}</code>.`}</p>
${tables.join('')}
${requestBody === undefined ? '' : `<h4>Body</h4>${contentHtml(requestBody.content)}`}
<h4>Answer</h4>${contentHtml(responses[200].content)}</details>`;
}

function contentHtml(contents: Contents): string {
  return Object.entries(contents)
    .map(([type, { schema }]) => {
      const shapes = schema?.anyOf ?? (schema === undefined ? [] : [schema]);
      return `<p class="inner"><code>${escaped(type)}</code></p>${shapes.map(membersTable).join('<p class="note inner">or</p>')}`;
    })
    .join('');
}

function membersTable({ properties = {}, required = [] }: Schema): string {
  return tableOf(Object.entries(properties).map(([name, schema]) => [name, schema, required.includes(name)]));
}

function tableOf(rows: readonly (readonly [name: string, schema: Schema, isRequired: boolean])[]): string {
  const lines = rows.flatMap(([name, schema, isRequired]) => rowsOf(name, schema, isRequired, 0));
  return `<table>${lines.join('')}</table>`;
}

/** A member, and below it those of the object that it is or lists. */
function rowsOf(name: string, schema: Schema, isRequired: boolean, depth: number): string[] {
  const row = `<tr><td><code style="padding-left:${depth}rem">${escaped(name)}</code></td><td>${escaped(kindOf(schema))}</td><td class="note">${isRequired ? 'always' : ''}</td></tr>`;
  const inner = [schema, ...(schema.anyOf ?? [])]
    .map((one) => one.items ?? one)
    .find(({ properties }) => properties !== undefined);
  const members = Object.entries(inner?.properties ?? {});
  return [
    row,
    ...members.flatMap(([member, of]) =>
      rowsOf(member, of, inner?.required?.includes(member) ?? false, depth + 1),
    ),
  ];
}

function kindOf(schema: Schema): string {
  const { anyOf, items, minimum, maximum } = schema;
  if (anyOf !== undefined) return anyOf.map(kindOf).join(' or ');
  if ('const' in schema) return JSON.stringify(schema.const);
  const words =
    schema.enum?.map((value) => JSON.stringify(value)).join(', ') ??
    [schema.type ?? 'anything'].flat().join(' or ');
  const range =
    minimum === undefined || maximum === undefined || maximum > 2 ** 52 ? '' : ` ${minimum}..${maximum}`;
  const otherwise = schema.default === undefined ? '' : `, default ${JSON.stringify(schema.default)}`;
  return `${words}${items === undefined ? '' : ` of ${kindOf(items)}`}${range}${otherwise}`;
}

function withCode(text: string): string {
  return escaped(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
