/** A file of requests with lines that are none. Refused whole. */
export class BadBatchFile extends Error {
  override readonly name = 'BadBatchFile';
  /** How many there are. */
  readonly badLines: number;
  /** The first 100 of them; `line` is physical and 1-based. */
  readonly firstBadLines: readonly { readonly line: number; readonly message: string }[];
  /** The first of them is not valid UTF-8, so the whole file is probably in another encoding. */
  readonly isEncoding: boolean;

  constructor(badLines: number, firstBadLines: BadBatchFile['firstBadLines'], isEncoding: boolean) {
    const [first] = firstBadLines;
    super(`${badLines} lines are no requests; line ${first?.line}: ${first?.message}`);
    this.badLines = badLines;
    this.firstBadLines = firstBadLines;
    this.isEncoding = isEncoding;
  }
}

export class FileTooLarge extends Error {
  override readonly name = 'FileTooLarge';
  readonly maxBytes: number;

  constructor(maxBytes: number) {
    super(
      `The file is larger than ${maxBytes} bytes, the limit of this server. Split it into several files.`,
    );
    this.maxBytes = maxBytes;
  }
}

export class TooManyLines extends Error {
  override readonly name = 'TooManyLines';
  readonly lines: number;
  readonly maxLines: number;

  constructor(lines: number, maxLines: number) {
    super(
      `The file has ${lines} lines, more than ${maxLines}, the limit of this server. Split it into several files.`,
    );
    this.lines = lines;
    this.maxLines = maxLines;
  }
}

export class PartTooLarge extends Error {
  override readonly name = 'PartTooLarge';

  constructor(maxBytes: number) {
    super(`A part of an upload may have at most ${maxBytes} bytes. Send it as several parts.`);
  }
}

/** An upload has no such part. */
export class UnknownPart extends Error {
  override readonly name = 'UnknownPart';

  constructor(partId: string) {
    super(`The upload has no part ${JSON.stringify(partId)}.`);
  }
}

/** The parts of an upload are not together what its client said. */
export class WrongContent extends Error {
  override readonly name = 'WrongContent';
}

/** What read the upload is gone, through no fault of the upload. Nothing is kept of it; it may be sent again at once. */
export class UploadInterrupted extends Error {
  override readonly name = 'UploadInterrupted';
}
