// What others say of the workflow, without playing it: asl-validator, AWS's language service for its editors, the reference parser of JSONata, and
// AWS's rules that none of these knows ("Transforming data with JSONata" and "Passing data between states with variables", AWS Step Functions
// developer guide). Then the workflow is broken in many ways, each of which somebody has to refuse: who says nothing proves nothing.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.SLIPWAY_OPINIONS, 'x.js'));
const aslValidator = require('asl-validator');
const { getLanguageService, TextDocument } = require('amazon-states-language-service');
const jsonata = require('jsonata');
const yaml = require('yaml');

const BUILTIN = new Set(`string length substring substringBefore substringAfter uppercase lowercase trim pad contains split join match
 replace base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl number abs floor ceil round power sqrt random
 formatNumber formatBase formatInteger parseInteger sum max min average boolean not exists count append sort reverse shuffle distinct zip
 keys lookup spread merge sift each error assert type now millis fromMillis toMillis map filter single reduce
 partition range hash uuid parse`.split(/\s+/)); // The last five are Step Functions' own; $eval is not there.
const JSONPATH = ['InputPath', 'OutputPath', 'ResultPath', 'Parameters', 'ResultSelector', 'ItemsPath', 'TimeoutSecondsPath', 'SecondsPath', 'CausePath', 'ErrorPath'];
const HAS_RESULT = new Set(['Task', 'Parallel', 'Map']);

const text = readFileSync(new URL('../../statemachine/release.asl.yaml', import.meta.url), 'utf8')
  .replaceAll('${partition}', 'aws')
  .replace(/\$\{(\w+)_arn\}/g, (_, name) => `arn:aws:lambda:eu-central-1:123456789012:function:slipway-${name.replaceAll('_', '-')}:1`);
const workflow = yaml.parse(text, { maxAliasCount: -1 });

function* machines(machine, path = []) {
  yield { machine, path };
  for (const [name, state] of Object.entries(machine.States))
    if (state.ItemProcessor) yield* machines(state.ItemProcessor, [...path, name]);
}
function* strings(value, field) {
  if (typeof value === 'string') yield [field, value];
  else if (Array.isArray(value)) for (const [index, inner] of value.entries()) yield* strings(inner, `${field}[${index}]`);
  else if (value && typeof value === 'object') for (const [name, inner] of Object.entries(value)) yield* strings(inner, `${field}.${name}`);
}
function* expressions(document) {
  for (const { machine, path } of machines(document))
    for (const [name, state] of Object.entries(machine.States))
      for (const [field, value] of Object.entries(state))
        if (!['ItemProcessor', 'Comment'].includes(field))
          for (const [where, raw] of strings(value, field)) yield { path, name, state, field, where, raw };
}
function nodes(tree, found = [], seen = new Set()) {
  if (!tree || typeof tree !== 'object' || seen.has(tree)) return found;
  seen.add(tree);
  if (tree.type) found.push(tree);
  for (const value of Object.values(tree)) (Array.isArray(value) ? value.flat() : [value]).forEach((inner) => nodes(inner, found, seen));
  return found;
}

function byAslValidator(document) {
  const { isValid, errors } = aslValidator(document);
  return isValid ? [] : errors.map((error) => error.message ?? JSON.stringify(error));
}
async function byLanguageService(document) {
  const service = getLanguageService({});
  const file = TextDocument.create('file:///release.asl.json', 'asl', 1, JSON.stringify(document, null, 2));
  return (await service.doValidation(file, service.parseJSONDocument(file))).map((problem) => problem.message);
}
function byRules(document) {
  const problems = [], names = new Set(), scopes = new Map();
  let count = 0;
  for (const { machine, path } of machines(document)) {
    const own = new Set();
    for (const [name, state] of Object.entries(machine.States)) {
      const say = (problem) => problems.push(`${name}: ${problem}`);
      if (names.has(name)) say('the name is used twice');
      names.add(name);
      if (name.length > 80) say('the name is longer than 80 characters');
      for (const field of JSONPATH) if (field in state) say(`${field} is of JSONPath`);
      for (const retry of state.Retry ?? []) {
        const interval = retry.IntervalSeconds ?? 1;
        if (!(Number.isInteger(interval) && interval > 0 && interval <= 99_999_999)) say(`IntervalSeconds ${interval}`);
        if ('MaxDelaySeconds' in retry && !(retry.MaxDelaySeconds > interval && retry.MaxDelaySeconds < 31_622_400)) say(`MaxDelaySeconds ${retry.MaxDelaySeconds}`);
        if ('BackoffRate' in retry && !(retry.BackoffRate >= 1)) say(`BackoffRate ${retry.BackoffRate}`);
        if (!(Number.isInteger(retry.MaxAttempts ?? 3) && (retry.MaxAttempts ?? 3) <= 99_999_999)) say(`MaxAttempts ${retry.MaxAttempts}`);
      }
      for (const rules of [state.Retry ?? [], state.Catch ?? []])
        rules.forEach((rule, index) => {
          if (rule.ErrorEquals.includes('States.ALL') && (rule.ErrorEquals.length > 1 || index !== rules.length - 1)) say('States.ALL is neither alone nor last');
        });
      const waits = /waitForTaskToken/.test(state.Resource ?? '');
      if (waits && !JSON.stringify(state.Arguments).includes('$states.context.Task.Token')) say('waits for a token that it does not give away');
      if (state.Type === 'Task' && !('TimeoutSeconds' in state)) say('no time-out');
      for (const rule of [state, ...(state.Choices ?? []), ...(state.Catch ?? [])])
        for (const variable of Object.keys(rule.Assign ?? {})) {
          own.add(variable);
          if (!/^\p{ID_Start}\p{ID_Continue}*$/u.test(variable) || variable.length > 80 || variable === 'states') say(`the variable ${variable} may not be called so`);
          if (BUILTIN.has(variable)) say(`the variable ${variable} hides a function`);
        }
    }
    scopes.set(path.join('/'), own);
    for (let depth = 0; depth < path.length; depth++)
      for (const variable of own) if (scopes.get(path.slice(0, depth).join('/'))?.has(variable)) problems.push(`the variable ${variable} is of two scopes`);
  }
  for (const { path, name, state, field, where, raw } of expressions(document)) {
    const say = (problem) => problems.push(`${[...path, name].join('/')} ${where}: ${problem}`);
    if (!raw.includes('{%') && !raw.includes('%}')) continue;
    if (!raw.startsWith('{%') || !raw.endsWith('%}')) { say('an expression has nothing before {% nor after %}'); continue; }
    count++;
    let tree;
    try { tree = jsonata(raw.slice(2, -2).trim()).ast(); } catch (error) { say(`${error.code} ${error.message}`); continue; }
    const all = nodes(tree);
    const called = new Set(all.filter((node) => node.type === 'function').map((node) => node.procedure));
    for (const node of all.filter((node) => node.type === 'variable')) {
      if (called.has(node)) { if (!BUILTIN.has(node.value)) say(`$${node.value} is no function of Step Functions`); }
      else if (node.value === '' || node.value === '$') say('$ and $$ are not allowed');
      else if (node.value !== 'states') {
        // An inner scope reads its own variables and those around it.
        const visible = [...Array(path.length + 1).keys()].some((depth) => scopes.get(path.slice(0, depth).join('/'))?.has(node.value));
        if (!visible && !all.some((other) => other.type === 'bind' && other.lhs?.value === node.value)) say(`nothing assigns $${node.value}`);
      }
    }
    for (const node of all.filter((node) => node.type === 'path' && node.steps[0]?.type === 'variable' && node.steps[0].value === 'states')) {
      const [, what, first] = node.steps.map((step) => step.value);
      if (!['input', 'result', 'errorOutput', 'context'].includes(what)) say(`$states.${what} does not exist`);
      if (what === 'result' && !(HAS_RESULT.has(state.Type) && ['Assign', 'Output'].includes(field))) say('$states.result is for Assign and Output of a Task, Map or Parallel');
      if (what === 'errorOutput' && !/^Catch\[\d+\]\.(Assign|Output)/.test(where)) say('$states.errorOutput is for Assign and Output of a Catch');
      if (what === 'context' && first === 'Task' && !/waitForTaskToken/.test(state.Resource ?? '')) say('only a task that waits has a token');
      if (what === 'context' && first === 'Map' && !(state.Type === 'Map' && field === 'ItemSelector') && path.length === 0) say('there is no Map around it');
    }
    const first = tree.type === 'path' ? tree.steps[0] : tree;
    if (first.type === 'name') say(`${first.value} is read from nothing`);
  }
  return { problems, count };
}

async function judge(document) {
  const { problems, count } = byRules(document);
  return { opinions: { 'asl-validator': byAslValidator(document), 'language service': await byLanguageService(document), 'JSONata and rules': problems }, count };
}

const CONTROLS = {
  'a transition to a state that is not there': (states) => { states.AcquireLock.Next = 'Nowhere'; },
  'a state that nothing leads to': (states) => { states.Island = { Type: 'Pass', End: true }; },
  'a field of JSONPath': (states) => { states.AcquireLock.ResultPath = '$.x'; },
  'a field that does not exist': (states) => { states.AcquireLock.Argument = {}; },
  'a Choice rule without Condition': (_, stage) => { delete stage['Bakes?'].Choices[0].Condition; },
  'an expression that does not parse': (_, stage) => { stage['Bakes?'].Choices[0].Condition = '{% $stage.bake = %}'; },
  'an expression with a space before it': (_, stage) => { stage['Bakes?'].Choices[0].Condition = ' {% $exists($stage.bake) %}'; },
  '$eval': (states) => { states.AcquireLock.Assign.held = '{% $eval("1") %}'; },
  '$states.result in a Choice': (_, stage) => { stage['Bakes?'].Choices[0].Condition = '{% $states.result %}'; },
  '$states.errorOutput outside of a Catch': (states) => { states.AcquireLock.Assign.held = '{% $states.errorOutput %}'; },
  '$states.error': (states) => { states.AcquireLock.Catch[0].Output = '{% $states.error %}'; },
  '$ at the top': (states) => { states.AcquireLock.Assign.held = '{% $.Payload %}'; },
  'a variable that nothing assigns': (_, stage) => { stage.BakeStage.Arguments.Payload.input = '{% $start.release %}'; },
  'a variable of the outer scope, assigned inside': (_, stage) => { stage.DeployServices.Assign.held = 1; },
  'a name used twice': (states, stage) => { states.StagePassed = structuredClone(stage.StagePassed); },
  'States.ALL before another error': (_, stage) => { stage.DeployServices.Catch.reverse(); },
  'MaxDelaySeconds below IntervalSeconds': (states) => { states.AcquireLock.Retry[2].MaxDelaySeconds = 1; states.AcquireLock.Retry[2].IntervalSeconds = 2; },
  'a task without a time-out': (_, stage) => { delete stage.BakeStage.TimeoutSeconds; },
  'a token that is given to nobody': (_, stage) => { delete stage.BakeStage.Arguments.Payload.token; },
};

let failed = false;
const { opinions, count } = await judge(workflow);
for (const [who, problems] of Object.entries(opinions)) {
  console.log(`${who}: ${problems.length === 0 ? 'nothing to say' : problems.join('; ')}`);
  failed ||= problems.length > 0;
}
for (const [what, change] of Object.entries(CONTROLS)) {
  const broken = structuredClone(workflow);
  change(broken.States, broken.States.Stages.ItemProcessor.States);
  const { opinions: now } = await judge(broken);
  if (!Object.entries(now).some(([who, problems]) => problems.some((problem) => !opinions[who].includes(problem)))) {
    console.log(`nobody refuses ${what}`);
    failed = true;
  }
}
console.log(`${count} expressions; ${Object.keys(CONTROLS).length} faults that somebody refuses`);
process.exitCode = failed ? 1 : 0;
