// Prints the event schemas of @aws-cdk/aws-service-spec for the sources given, as JSON: {"<source>|<detail-type>": {field: {type, required}}}.
import { createRequire } from "node:module";
import { join } from "node:path";
const require = createRequire(join(process.env.SLIPWAY_OPINIONS, "x.js"));
const { loadAwsServiceSpecSync } = require("@aws-cdk/aws-service-spec");
const db = loadAwsServiceSpecSync();
const types = new Map(db.all("eventTypeDefinition").map((t) => [t.$id, t]));
const resolve = (type, depth = 0) => {
  if (!type) return "?";
  if (type.type === "ref") {
    const def = types.get(type.reference.$ref);
    if (depth > 6) return def.name;
    return Object.fromEntries(Object.entries(def.properties).map(([name, p]) => [name, { type: resolve(p.type, depth + 1), required: !!p.required }]));
  }
  if (type.type === "array") return [resolve(type.element, depth + 1)];
  if (type.type === "map") return { "*": { type: resolve(type.element, depth + 1), required: false } };
  if (type.type === "union") return { union: type.types.map((t) => resolve(t, depth + 1)) };
  return type.type;
};
const wanted = new Set(process.argv.slice(2));
const out = {};
for (const e of db.all("event")) {
  if (!wanted.has(e.source)) continue;
  const def = types.get(e.rootProperty.$ref);
  out[`${e.source}|${e.detailType}`] = Object.fromEntries(Object.entries(def.properties).map(([name, p]) => [name, { type: resolve(p.type), required: !!p.required }]));
}
console.log(JSON.stringify(out, null, 1));
