import type { CompletedCommand } from './completion-words.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A script that makes the shell complete `bora`. It starts no Bora: all words are in it. */
export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  return WRITERS[shell](commands);
}

const WRITERS: Readonly<Record<Shell, (commands: readonly CompletedCommand[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

function bashScript(commands: readonly CompletedCommand[]): string {
  return `# Completion of bora for bash. Load it with: source <(bora completion bash)
_bora() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at='bora' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${commandPatterns(commands)}) at+=" \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
${valueCases(commands, (choices) => `words=${quoted(choices.join(' '))}`)}
    *)
      case "$at" in
${wordCases(commands, (words) => `words=${quoted(words.join(' '))}`)}
      esac ;;
  esac
  # No word fits: the shell offers files.
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _bora bora
`;
}

function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef bora
# Completion of bora for zsh. Load it with: source <(bora completion zsh)
_bora() {
  local at='bora' prev=\${words[CURRENT-1]} word
  local -a found
  for word in \${words[2,CURRENT-1]}; do
    case "$at $word" in
      ${commandPatterns(commands)}) at+=" $word" ;;
    esac
  done
  case "$at $prev" in
${valueCases(commands, (choices) => `found=(${choices.map(quoted).join(' ')})`)}
    *)
      case "$at" in
${wordCases(commands, (words) => `found=(${words.map(quoted).join(' ')})`)}
      esac ;;
  esac
  # No word fits: files.
  compadd -a found || _files
}
compdef _bora bora
`;
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ path, words, flags }) => {
    const here = condition(
      path,
      words.map(({ word }) => word),
    );
    return [
      ...words.map(({ word, about }) => `complete -c bora -f -n ${here} -a ${word} -d ${fishText(about)}`),
      ...flags.map(({ word, about, takesValue, choices }) => {
        const values = choices.length > 0 ? ` -x -a ${fishText(choices.join(' '))}` : takesValue ? ' -r' : '';
        return `complete -c bora -n ${here} -l ${word.replace(/^--/, '')}${values} -d ${fishText(about)}`;
      }),
    ];
  });
  return `# Completion of bora for fish. Load it with: bora completion fish | source\n${lines.join('\n')}\n`;
}

/** Every command by its words, as a pattern of `case`. */
function commandPatterns(commands: readonly CompletedCommand[]): string {
  const named = commands.filter(({ path }) => path.length > 0);
  return named.map(({ path }) => `'${['bora', ...path].join(' ')}'`).join('|');
}

/** Behind a flag that takes a value: its choices, or nothing, which leaves files. */
function valueCases(
  commands: readonly CompletedCommand[],
  write: (choices: readonly string[]) => string,
): string {
  const cases = commands.flatMap(({ path, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .map(
        ({ word, choices }) =>
          `    '${['bora', ...path, word].join(' ')}') ${choices.length > 0 ? write(choices) : ':'} ;;`,
      ),
  );
  return cases.join('\n');
}

function wordCases(
  commands: readonly CompletedCommand[],
  write: (words: readonly string[]) => string,
): string {
  return commands
    .map(({ path, words, flags }) => {
      const all = [...words, ...flags].map(({ word }) => word);
      return `        '${['bora', ...path].join(' ')}') ${write(all)} ;;`;
    })
    .join('\n');
}

/** Where the command line stands at the command and at none below it. */
function condition(path: readonly string[], below: readonly string[]): string {
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const not = below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`];
  return `'${[...seen, ...not].join('; and ')}'`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
