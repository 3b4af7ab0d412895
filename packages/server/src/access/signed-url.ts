import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a signed URL permits: to read one file until a moment, without a key. */
export interface DownloadGrant {
  readonly fileId: string;
  readonly workspaceId: string;
  /** Unix seconds. */
  readonly expires: number;
  /** A batch whose lines name the file: as long as it runs, the link leads to the file though it was deleted. */
  readonly batchId?: string;
}

/** A link to a file's content that works without a key, at a Bora that is reached under `base`. */
export function downloadLink(base: string, grant: DownloadGrant, secret: string): string {
  return `${base}/v1/files/${grant.fileId}/content?${signDownload(grant, secret).toString()}`;
}

/** The query of a signed URL. */
export function signDownload(grant: DownloadGrant, secret: string): URLSearchParams {
  return new URLSearchParams({
    workspace: grant.workspaceId,
    ...(grant.batchId === undefined ? {} : { batch: grant.batchId }),
    expires: String(grant.expires),
    signature: signatureOf(grant, secret).toString('base64url'),
  });
}

/**
 * The grant of a signed URL, or null if the query carries none, was tampered with, or is past its time. The signature is checked
 * in constant time and before the expiry, so that a wrong one tells nothing.
 */
export function verifyDownload(
  fileId: string,
  query: Readonly<Record<string, unknown>>,
  secret: string,
  nowMs: number,
): DownloadGrant | null {
  const { workspace, expires, signature, batch } = query;
  if (typeof workspace !== 'string' || typeof expires !== 'string' || typeof signature !== 'string')
    return null;
  if (!/^\d{1,12}$/.test(expires)) return null;
  if (batch !== undefined && typeof batch !== 'string') return null;
  const about = { fileId, workspaceId: workspace, expires: Number(expires) };
  const grant = batch === undefined ? about : { ...about, batchId: batch };
  const expected = signatureOf(grant, secret);
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  return nowMs < grant.expires * 1000 ? grant : null;
}

function signatureOf(grant: DownloadGrant, secret: string): Buffer {
  const { workspaceId, fileId, expires, batchId } = grant;
  const message = [
    'download',
    workspaceId,
    fileId,
    expires,
    ...(batchId === undefined ? [] : [batchId]),
  ].join('\n');
  return createHmac('sha256', Buffer.from(secret, 'hex')).update(message).digest();
}
