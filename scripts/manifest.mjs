// Makes deploy/operator.yaml, the operator for those who do without Helm, from the chart by `helm template`:
// `npm run manifest`. `--check` writes nothing and exits with 1 when the file is not as it should be.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
export const MANIFEST = path.join(root, "deploy", "operator.yaml");
const NAMESPACE = "forebay";
const ARGS = ["template", "forebay", "charts/forebay", "--namespace", NAMESPACE];

const HEAD = `# The operator without Helm, after \`kubectl apply --server-side -f crds/\`. Made from charts/forebay by \`npm run manifest\`;
# replace the image by one that your nodes can pull.
apiVersion: v1
kind: Namespace
metadata:
  name: ${NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
`;

/** The file's text, from what `helm template` with `ARGS` says. */
export function manifestOf(rendered) {
  const lines = rendered
    .split("\n")
    .filter((line) => !/^\s+(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): /.test(line))
    .filter((line) => !line.startsWith("# Source: "));
  return `${HEAD}${lines.join("\n").trimEnd()}\n`;
}

export const helmArguments = ARGS;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = manifestOf(execFileSync("helm", ARGS, { cwd: root, encoding: "utf8" }));
  if (process.argv.includes("--check")) {
    const same = readFileSync(MANIFEST, "utf8") === text;
    if (!same) console.log("not as it should be: deploy/operator.yaml");
    process.exitCode = same ? 0 : 1;
  } else {
    mkdirSync(path.dirname(MANIFEST), { recursive: true });
    writeFileSync(MANIFEST, text);
  }
}
