import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const CONTRACT = fileURLToPath(new URL('./defective-contract.ts', import.meta.url));

/** Runs the contract of the database with a defect planted, in a process of its own; answers the tests that failed. */
export async function runDefectiveContract(defect: string | null): Promise<string[]> {
  // Inside a test Node's runner would have its child talk to it in bytes.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--test-reporter=tap', CONTRACT], {
    env: { ...env, BORA_DEFECT: defect ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  if (!/^# tests \d\d/m.test(output)) throw new Error(`The contract did not run:\n${output}`);
  // A group that fails because a test in it did says so.
  return [...output.matchAll(/^ *not ok \d+ - (.*)\n(?:(?!^ *(?:not )?ok ).*\n)*?.*failureType: '(\w+)'/gm)]
    .filter(([, , type]) => type !== 'subtestsFailed')
    .map(([, name = '']) => name);
}
