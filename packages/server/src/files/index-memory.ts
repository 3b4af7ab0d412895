/** Of all uploads under way together: what one of any size takes (`RepeatedIds`), and some. An upload beyond it does not tell whether ids repeat. */
const ID_BYTES = 68 * 1024 * 1024;
/** One file that names as many others as one may, and some; an upload beyond it is refused until there is room. */
const REFERENCE_BYTES = 32 * 1024 * 1024;

/** An upload names many files, and others under way hold the memory to keep them. It may be sent again in a while. */
export class IndexMemoryFull extends Error {
  override readonly name = 'IndexMemoryFull';

  constructor() {
    super(
      'Other uploads hold all the memory that the names of files in lines may take. Try again in a while, or spread the lines over several files.',
    );
  }
}

/** Memory that several share, by their own estimate. */
export class SharedBytes {
  #left: number;

  constructor(total: number) {
    this.#left = total;
  }

  share(): Share {
    let held = 0;
    return {
      resize: (bytes) => {
        if (bytes - held > this.#left) return false;
        this.#left -= bytes - held;
        held = bytes;
        return true;
      },
    };
  }
}

export interface Share {
  /** Holds `bytes` in all from now on. False, and nothing changes, where others leave too little. */
  resize(bytes: number): boolean;
}

/** What line indexes take that grows with their file, shared by all that are made at a time. */
export interface IndexMemory {
  readonly ids: SharedBytes;
  readonly references: SharedBytes;
}

/** For uploads, of which there are as many as there are clients. */
export function uploadIndexMemory(): IndexMemory {
  return { ids: new SharedBytes(ID_BYTES), references: new SharedBytes(REFERENCE_BYTES) };
}

/** For one index at a time. */
export function unsharedIndexMemory(): IndexMemory {
  return { ids: new SharedBytes(Infinity), references: new SharedBytes(Infinity) };
}
