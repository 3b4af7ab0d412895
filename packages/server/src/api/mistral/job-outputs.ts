import { ordinalOfLine } from '../../batches/lines/line-format.ts';
import { LineSplitter } from '../../bytes/line-splitter.ts';
import { readFileRange } from '../../files/content.ts';
import type { BatchRecord } from '../../storage/ports/batch-records.ts';
import type { ApiDependencies } from '../dependencies.ts';

/** What the longest result line may be is the dispatcher's to limit, not the reader's. */
const ANY_LENGTH = Number.MAX_SAFE_INTEGER;

interface ResultLine {
  readonly ordinal: number;
  readonly content: Uint8Array;
}

/**
 * The result lines of an ended batch in input order, succeeded and failed ones together: output and error file are each in
 * that order, so they are merged by the ordinal with which each line's id ends. Holds one line of each file. A file that was
 * deleted meanwhile contributes nothing.
 */
export async function* outputLines(deps: ApiDependencies, batch: BatchRecord): AsyncGenerator<Uint8Array> {
  const outputs = resultLines(deps, batch.workspaceId, batch.outputFileId);
  const errors = resultLines(deps, batch.workspaceId, batch.errorFileId);
  let [output, error] = [await outputs.next(), await errors.next()];
  while (!output.done || !error.done) {
    if (error.done || (!output.done && output.value.ordinal < error.value.ordinal)) {
      yield (output.value as ResultLine).content;
      output = await outputs.next();
    } else {
      yield error.value.content;
      error = await errors.next();
    }
  }
}

async function* resultLines(
  deps: ApiDependencies,
  workspaceId: string,
  fileId: string | null,
): AsyncGenerator<ResultLine, undefined> {
  const file = fileId === null ? null : await deps.database.getFile(workspaceId, fileId, null);
  if (file === null) return;
  const splitter = new LineSplitter({ maxLineBytes: ANY_LENGTH });
  for await (const chunk of readFileRange(deps, file.id, 0, file.bytes)) {
    for (const { content } of splitter.push(chunk)) yield toResultLine(content!);
  }
  for (const { content } of splitter.finish()) yield toResultLine(content!);
}

/** Lines are written by Bora and begin with their id, so its end is found without parsing the rest. */
function toResultLine(content: Uint8Array): ResultLine {
  const head = Buffer.from(content.buffer, content.byteOffset, Math.min(content.length, 128)).toString(
    'latin1',
  );
  return { ordinal: ordinalOfLine(head), content };
}
