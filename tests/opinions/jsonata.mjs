// Evaluates JSONata with the reference implementation, one request a line: {expression, bindings} -> {value} | {undefined} | {error}.
// "Step Functions implements JSONata based on the 2.0.6 specification" (AWS Step Functions developer guide, "Transforming data with JSONata"),
// which `jsonata` 2.0.6 is; the functions that Step Functions adds are bound here.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.SLIPWAY_OPINIONS, 'x.js'));
const jsonata = require('jsonata');
const ADDED = { parse: (text) => JSON.parse(text) };

for await (const line of createInterface({ input: process.stdin })) {
  const { expression, bindings } = JSON.parse(line);
  let answer;
  try {
    // The document is undefined: on AWS an expression reads $states and variables, nothing else.
    const value = await jsonata(expression).evaluate(undefined, { ...ADDED, ...bindings });
    answer = value === undefined ? { undefined: true } : typeof value === 'function' ? { error: 'a function' } : { value };
  } catch (error) {
    answer = { error: `${error.code ?? ''}: ${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
