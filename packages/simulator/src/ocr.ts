import { z } from 'zod';
import { planChoices, tokenSum, writeChoices } from './choices.ts';
import { badRequest } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { invalidRequest } from './work.ts';
import type { Work, WorkContext } from './work.ts';

const document = z.union(
  [
    z.object({ type: z.literal('document_url').optional(), document_url: z.string() }),
    z.object({
      type: z.literal('image_url').optional(),
      image_url: z.union([z.string(), z.object({ url: z.string() })]),
    }),
    z.object({ type: z.literal('file').optional(), file_id: z.string() }),
  ],
  'must be a document_url, an image_url or a file',
);
const ocrRequest = z.object({
  model: z.string().nullish(),
  document,
  pages: z.union([z.string(), z.array(z.int().min(0))]).nullish(),
  document_annotation_format: z.object({}).nullish(),
});

/** Pages of a document that is not really there. */
const MOST_PAGES = 4;
const BYTES_PER_PAGE = 60_000;

/** `POST /v1/ocr`: a title and prose in Markdown for each page. What the document says is never looked at, only how large it is. */
export function readOcr(body: unknown, context: WorkContext): Work | Refusal {
  const request = ocrRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { settings, random } = context;
  const model = request.data.model ?? settings.models[0];
  const given = request.data.document;
  const pageCount = 'image_url' in given ? 1 : 1 + Math.floor(random() * MOST_PAGES);
  const wanted = wantedPages(request.data.pages ?? null, pageCount);
  if (wanted === null)
    return badRequest('1 validation error: body.pages: must be numbers such as 0,2 or 0-3');
  const size = sizeOf(given) ?? Math.round(pageCount * BYTES_PER_PAGE * (0.5 + random()));
  const pages = planChoices(wanted.length, null, context);
  return {
    model,
    promptTokens: 0,
    completionTokens: tokenSum(pages),
    // A document is read page by page.
    longestChoice: tokenSum(pages),
    writeTexts: () => writeChoices(pages, context),
    answerWith: (texts) => ({
      pages: wanted.map((index, at) => ({
        index,
        markdown: `# Page ${index + 1}\n\n${texts[at]}`,
        images: [],
        tables: [],
        hyperlinks: [],
        header: null,
        footer: null,
        dimensions: { dpi: 200, height: 2200, width: 1700 },
      })),
      model,
      document_annotation:
        request.data.document_annotation_format == null ? null : JSON.stringify({ summary: texts[0] ?? '' }),
      usage_info: { pages_processed: wanted.length, doc_size_bytes: size },
    }),
  };
}

/** `[0, 2]`, `0,2` or `0-3`; those that the document does not have are left out, as the real service does. Null if it is none of these. */
function wantedPages(pages: string | readonly number[] | null, pageCount: number): number[] | null {
  const all = Array.from({ length: pageCount }, (_, index) => index);
  if (pages === null) return all;
  if (typeof pages !== 'string') return all.filter((index) => pages.includes(index));
  const ranges = pages.split(',').map((part) => /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part));
  if (ranges.includes(null)) return null;
  return all.filter((index) =>
    ranges.some((range) => index >= Number(range![1]) && index <= Number(range![2] ?? range![1])),
  );
}

/** Of a document that stands in the request as a data URL; null of any other. */
function sizeOf(given: z.infer<typeof document>): number | null {
  if ('file_id' in given) return null;
  const url = 'document_url' in given ? given.document_url : urlOf(given.image_url);
  const comma = url.startsWith('data:') ? url.indexOf(',') : -1;
  return comma < 0 ? null : Buffer.byteLength(url.slice(comma + 1), 'base64');
}

function urlOf(image: string | { readonly url: string }): string {
  return typeof image === 'string' ? image : image.url;
}
