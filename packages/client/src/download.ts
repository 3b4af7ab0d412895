import { BoraError } from './bora-error.ts';
import type { Call, Transport } from './transport.ts';

/**
 * The bytes of the answer. Where the connection breaks, a new call asks for the rest (`Range`) if the answer has a strong ETag, which says
 * that the bytes are still the same. Given up after as many breaks in a row, without a byte between, as calls are made again.
 */
export async function download(transport: Transport, call: Call): Promise<ReadableStream<Uint8Array>> {
  const first = await transport.send(call);
  const etag = strongEtag(first);
  let reader = first.body?.getReader();
  let received = 0;
  let breaks = 0;

  const readOn = async (error: unknown): Promise<void> => {
    const failure = transport.failureOf(call, error);
    breaks += 1;
    if (etag === null || breaks > transport.maxRetries) throw failure;
    const headers = { range: `bytes=${received}-`, 'if-range': etag };
    const rest = await transport.send({ ...call, headers }).catch((refusal: unknown) => {
      // There is nothing behind the bytes that came: only the end of the answer was lost.
      if (refusal instanceof BoraError && refusal.status === 416) return null;
      throw refusal;
    });
    if (rest === null) {
      reader = undefined;
      return;
    }
    if (rest.status !== 206 || !rest.headers.get('content-range')?.startsWith(`bytes ${received}-`)) {
      await rest.body?.cancel();
      throw failure;
    }
    reader = rest.body?.getReader();
  };

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        try {
          const next = await reader?.read();
          if (next === undefined || next.done) return controller.close();
          received += next.value.length;
          breaks = 0;
          return controller.enqueue(next.value);
        } catch (error) {
          await readOn(error);
        }
      }
    },
    async cancel(reason) {
      await reader?.cancel(reason);
    },
  });
}

/** Null also for an answer that was compressed on its way: its ranges count other bytes than those that are read here. */
function strongEtag({ headers }: Response): string | null {
  const etag = headers.get('etag');
  return headers.has('content-encoding') || etag === null || !etag.startsWith('"') ? null : etag;
}
