import { LineSplitter, MAX_LINE_BYTES } from '../bytes/line-splitter.ts';
import type { Line } from '../bytes/line-splitter.ts';
import { tooLongLine } from '../bytes/bad-line.ts';
import type { BadLine } from '../bytes/bad-line.ts';
import { parseLargeLine } from '../bytes/large-line.ts';
import { parseRequestLine } from '../bytes/request-line.ts';
import type { ParsedLine } from '../bytes/request-line.ts';
import type { EnvelopeSummary, FileReference, LineIndexSummary } from '../storage/ports/file-records.ts';
import { unsharedIndexMemory } from './index-memory.ts';
import type { IndexMemory, Share } from './index-memory.ts';
import { RepeatedIds } from './repeated-ids.ts';

/** A run of whole lines: the smallest thing that shards are made of. */
export interface CutGroup {
  readonly requests: number;
  /** Physical lines, blank ones included. */
  readonly lines: number;
  readonly bytes: number;
}

export interface LineIndex {
  readonly summary: LineIndexSummary;
  /** The groups of the whole file, encoded; see `decodeCuts`. Behind those that were taken meanwhile. */
  readonly cuts: Uint8Array;
  /** The files that its lines name, each once; none if they are too many (`LineIndexSummary.filesNamed`). */
  readonly references: readonly FileReference[];
  /** What is wrong with the first bad line, or null if there is none. */
  readonly firstFault: BadLine['fault'] | null;
  /** Others left too little memory for the files that its lines name, so they are not known. */
  readonly lacksMemory: boolean;
}

/** What one endpoint or another requires of `body` (OpenAPI of both APIs): one member, or any one of several. */
export const REQUIRED_MEMBERS: readonly (readonly string[])[] = [
  ['messages'],
  ['prompt'],
  ['input'],
  ['document'],
  ['inputs'],
  ['file_url', 'file_id'],
  ['input', 'prompt'],
];
const MEMBER_NAMES = [...new Set(REQUIRED_MEMBERS.flat())];

/**
 * How many bodies have one of `names`, which must stand in `REQUIRED_MEMBERS`, and the first line without. Null if the index was
 * written before they did: nothing is known then, and nothing may be refused for it.
 */
export function memberCountOf(
  { members }: LineIndexSummary,
  names: readonly string[],
): LineIndexSummary['members'][string] | null {
  return members[keyOf(names)] ?? null;
}

function keyOf(names: readonly string[]): string {
  return names.join('|');
}

const GROUP_REQUESTS = 16;
const GROUP_BYTES = 1024 * 1024;
const BAD_LINES_KEPT = 100;
const MODELS_KEPT = 100;
/** Of methods and of urls. All lines of a batch have the same, so a file with more of them is one for nobody. */
const WORDS_KEPT = 16;
/** A longer one is no method and no path of an endpoint. */
const WORD_LENGTH = 256;
/** A longer name is nobody's model; its file counts as one of too many models. */
const MODEL_LENGTH = 1_000;
/** Each takes memory in the index thread, and is a row; who names more spreads them over several files. */
const REFERENCES_KEPT = 100_000;
/** With its id and its place in a map. */
const BYTES_PER_REFERENCE = 256;
/** So many at a time are asked for of the shared memory; the first are free, as most files have no more. */
const REFERENCES_AT_ONCE = 128;
/** Of an id in a line. Ours are shorter, so one that is cut off is nobody's, as the whole one would be. */
const REFERENCE_LENGTH = 64;

/**
 * One pass over a JSONL file of requests: checks every line and notes where shards may begin and end. Memory: the current
 * line, and 12 bytes for every 16 requests unless they are taken meanwhile; and what it gets of `memory`.
 *
 * Measured (Node 24, one core, lines of 1.1 KB): 480 MB/s, and 330 together with MD5.
 */
export class LineIndexer {
  readonly #splitter: LineSplitter;
  readonly #maxLineBytes: number;
  readonly #cuts = new CutsEncoder();
  readonly #summary: SummaryBuilder;

  constructor(maxLineBytes = MAX_LINE_BYTES, memory = unsharedIndexMemory()) {
    this.#maxLineBytes = maxLineBytes;
    this.#summary = new SummaryBuilder(memory);
    this.#splitter = new LineSplitter({ maxLineBytes });
  }

  push(chunk: Uint8Array): void {
    for (const line of this.#splitter.push(chunk)) this.#add(line);
  }

  /** The cuts so far, once they are 64 KiB, for the caller to keep; null before. */
  takeCuts(): Uint8Array<ArrayBuffer> | null {
    return this.#cuts.take();
  }

  /** Gives up its memory. */
  drop(): void {
    this.#summary.drop();
  }

  finish(): LineIndex {
    for (const line of this.#splitter.finish()) this.#add(line);
    return {
      summary: this.#summary.build(),
      cuts: this.#cuts.finish(),
      references: this.#summary.references,
      firstFault: this.#summary.firstFault,
      lacksMemory: this.#summary.lacksMemory,
    };
  }

  #add(line: Line): void {
    this.#cuts.add(line);
    if (line.isBlank) return;
    // An exception costs 25 µs, and ten million bad lines are 20 MB. Once nothing more is said of them, they are told without one, in 2 µs.
    const parse = this.#summary.saysNoMore ? parseLargeLine : parseRequestLine;
    const request =
      line.content === null ? tooLongLine(this.#maxLineBytes) : parse(line.content, MEMBER_NAMES);
    this.#summary.add(line.number, request);
  }
}

/** Counts, and for some things the first line; see `LineIndexSummary` for what each means. Bad lines count as such only. */
class SummaryBuilder {
  firstFault: BadLine['fault'] | null = null;
  lacksMemory = false;
  #requests = 0;
  #badLines = 0;
  readonly #firstBadLines: { line: number; message: string }[] = [];
  readonly #members = REQUIRED_MEMBERS.map((names) => ({
    names,
    count: 0,
    firstWithout: null as number | null,
  }));
  #models: Map<string, number> | null = new Map();
  #withoutModel = 0;
  #firstWithoutModel: number | null = null;
  #streamSeen = false;
  #references: Map<string, FileReference> | null = new Map();
  readonly #memory: Share;
  readonly #envelope: EnvelopeBuilder;

  constructor({ ids, references }: IndexMemory) {
    this.#memory = references.share();
    this.#envelope = new EnvelopeBuilder(new RepeatedIds(ids.share()));
  }

  /** As many bad lines were seen as are described. */
  get saysNoMore(): boolean {
    return this.#badLines >= BAD_LINES_KEPT;
  }

  get references(): readonly FileReference[] {
    return [...(this.#references?.values() ?? [])];
  }

  add(line: number, request: ParsedLine | BadLine): void {
    this.#requests += 1;
    if (request.kind === 'bad') {
      this.firstFault ??= request.fault;
      this.#badLines += 1;
      if (this.#badLines <= BAD_LINES_KEPT) this.#firstBadLines.push({ line, message: request.message });
      return;
    }
    this.#envelope.add(request);
    for (const member of this.#members) {
      if (member.names.some((name) => request.members.includes(name))) member.count += 1;
      else member.firstWithout ??= line;
    }
    if (request.bodyModel === null) {
      this.#withoutModel += 1;
      this.#firstWithoutModel ??= line;
    } else {
      this.#countModel(request.bodyModel);
    }
    if (request.streams) this.#streamSeen = true;
    for (const { member, fileId } of request.files) this.#refer({ member, fileId: cutOff(fileId), line });
  }

  #refer(reference: FileReference): void {
    if (this.#references === null) return;
    const key = `${reference.member} ${reference.fileId}`;
    if (this.#references.has(key)) return;
    this.#references.set(key, reference);
    const { size } = this.#references;
    if (size % REFERENCES_AT_ONCE === 0 && !this.#memory.resize(BYTES_PER_REFERENCE * size)) {
      this.lacksMemory = true;
    }
    if (this.lacksMemory || size > REFERENCES_KEPT) this.#dropReferences();
  }

  #dropReferences(): void {
    this.#references = null;
    this.#memory.resize(0);
  }

  drop(): void {
    this.#dropReferences();
    this.#envelope.drop();
  }

  #countModel(model: string): void {
    if (this.#models === null) return;
    this.#models.set(model, (this.#models.get(model) ?? 0) + 1);
    if (this.#models.size > MODELS_KEPT || model.length > MODEL_LENGTH) this.#models = null;
  }

  build(): LineIndexSummary {
    return {
      version: 1,
      requests: this.#requests,
      badLines: this.#badLines,
      firstBadLines: this.#firstBadLines,
      members: Object.fromEntries(
        this.#members.map(({ names, count, firstWithout }) => [keyOf(names), { count, firstWithout }]),
      ),
      models: this.#models && Object.fromEntries(this.#models),
      withoutModel: this.#withoutModel,
      firstWithoutModel: this.#firstWithoutModel,
      streamSeen: this.#streamSeen,
      filesNamed: this.#references?.size ?? null,
      envelope: this.#envelope.build(),
    };
  }
}

/** What stands around the bodies; see `EnvelopeSummary`. */
class EnvelopeBuilder {
  #customIds = 0;
  #idsMayRepeat = false;
  readonly #ids: RepeatedIds;
  readonly #methods = new WordCounts();
  readonly #urls = new WordCounts();

  constructor(ids: RepeatedIds) {
    this.#ids = ids;
  }

  drop(): void {
    this.#ids.drop();
  }

  add({ customId, method, url }: ParsedLine): void {
    if (typeof customId === 'string') {
      this.#customIds += 1;
      // One is enough: whoever wants to know which ones reads the file.
      this.#idsMayRepeat ||= this.#ids.add(customId);
      if (this.#idsMayRepeat) this.#ids.drop();
    }
    this.#methods.add(method);
    this.#urls.add(url);
  }

  build(): EnvelopeSummary {
    return {
      customIds: this.#customIds,
      idsMayRepeat: this.#idsMayRepeat,
      methods: this.#methods.counts,
      urls: this.#urls.counts,
    };
  }
}

class WordCounts {
  #counts: Map<string, number> | null = new Map();
  /** Nearly always the same word comes again, and comparing it costs less than looking it up. */
  #latest = '';
  #times = 0;

  get counts(): Record<string, number> | null {
    this.#countLatest();
    return this.#counts && Object.fromEntries(this.#counts);
  }

  /** What is no string is not counted. */
  add(word: unknown): void {
    if (word === this.#latest) {
      this.#times += 1;
      return;
    }
    if (typeof word !== 'string') return;
    this.#countLatest();
    this.#latest = word;
    this.#times = 1;
    if (word.length > WORD_LENGTH) this.#counts = null;
  }

  #countLatest(): void {
    if (this.#counts === null || this.#times === 0) return;
    this.#counts.set(this.#latest, (this.#counts.get(this.#latest) ?? 0) + this.#times);
    this.#times = 0;
    if (this.#counts.size > WORDS_KEPT) this.#counts = null;
  }
}

function cutOff(fileId: string): string {
  return fileId.length > REFERENCE_LENGTH ? fileId.slice(0, REFERENCE_LENGTH) : fileId;
}

const HEADER = Buffer.from([...Buffer.from('cuts'), 1]);
const GROUP_LENGTH = 12;
/** As large as the blob writer takes without a buffer of its own. */
const TAKEN_BYTES = 64 * 1024;
const MAX_UINT32 = 0xffff_ffff;

/**
 * Gathers lines into groups of up to 16 requests, fewer once they reach 1 MiB, and writes them as `cuts`, a version byte
 * (1), and per group three little-endian uint32: requests, physical lines, bytes. The groups tile the file, blank lines
 * included, so positions are sums.
 */
class CutsEncoder {
  #bytes = Buffer.alloc(4096);
  #length = HEADER.copy(this.#bytes);
  #requests = 0;
  #lines = 0;
  #groupBytes = 0;

  add(line: Line): void {
    this.#requests += line.isBlank ? 0 : 1;
    this.#lines += 1;
    this.#groupBytes += line.end - line.start;
    if (this.#requests === GROUP_REQUESTS || this.#groupBytes >= GROUP_BYTES) this.#endGroup();
  }

  take(): Uint8Array<ArrayBuffer> | null {
    if (this.#length < TAKEN_BYTES) return null;
    const taken = new Uint8Array(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  finish(): Uint8Array {
    if (this.#lines > 0) this.#endGroup();
    return this.#bytes.subarray(0, this.#length);
  }

  #endGroup(): void {
    // A line of 4 GiB and more (it is a bad one) goes on in groups that add bytes alone.
    this.#write(this.#requests, this.#lines, Math.min(this.#groupBytes, MAX_UINT32));
    for (let rest = this.#groupBytes - MAX_UINT32; rest > 0; rest -= MAX_UINT32) {
      this.#write(0, 0, Math.min(rest, MAX_UINT32));
    }
    this.#requests = 0;
    this.#lines = 0;
    this.#groupBytes = 0;
  }

  #write(requests: number, lines: number, bytes: number): void {
    if (this.#length + GROUP_LENGTH > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes], 2 * this.#bytes.length);
    }
    this.#bytes.writeUInt32LE(requests, this.#length);
    this.#bytes.writeUInt32LE(lines, this.#length + 4);
    this.#bytes.writeUInt32LE(bytes, this.#length + 8);
    this.#length += GROUP_LENGTH;
  }
}

/**
 * The groups in file order.
 * @throws Error if the bytes are not cuts of a version that this Bora knows.
 */
export function* decodeCuts(cuts: Uint8Array): Generator<CutGroup, void, undefined> {
  const bytes = Buffer.from(cuts.buffer, cuts.byteOffset, cuts.byteLength);
  const isKnown = bytes.subarray(0, HEADER.length).equals(HEADER);
  if (!isKnown || (bytes.length - HEADER.length) % GROUP_LENGTH !== 0) {
    throw new Error(
      'The line index of a file is damaged, or was written by a newer Bora. Start that one again.',
    );
  }
  for (let at = HEADER.length; at < bytes.length; at += GROUP_LENGTH) {
    yield {
      requests: bytes.readUInt32LE(at),
      lines: bytes.readUInt32LE(at + 4),
      bytes: bytes.readUInt32LE(at + 8),
    };
  }
}
