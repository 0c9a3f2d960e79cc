import js from "@eslint/js";
import importX from "eslint-plugin-import-x";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/** Who may import whom: a folder may import only itself and the folders named. */
const layers = {
  lib: [],
  kube: ["lib"],
  cluster: ["kube", "lib"],
  operator: ["cluster", "kube", "lib"],
  broker: ["cluster", "kube", "lib"],
  local: ["kube", "cluster", "operator", "broker", "lib"],
};
const folders = ["lib", "kube", "cluster", "operator", "broker", "local", "cli", "bench", "test"];

const layerRules = Object.entries(layers).map(([folder, allowed]) => ({
  files: [`${folder}/**/*.ts`],
  rules: {
    "import-x/no-restricted-paths": [
      "error",
      {
        basePath: import.meta.dirname,
        zones: folders
          .filter((other) => other !== folder && !allowed.includes(other))
          .map((other) => ({
            target: `./${folder}`,
            from: `./${other}`,
            message: `${folder} may import only ${allowed.join(", ") || "itself"}`,
          })),
      },
    ],
  },
}));

/** Files that touch the outside; everything else below these folders runs in the simulator. */
const edges = [
  "broker/main.ts",
  "broker/log/file-storage.ts",
  "broker/log/open-file.ts",
  "broker/network/tcp-network.ts",
  "broker/network/tcp/*.ts",
  "broker/admin/**/*.ts",
  "broker/protocol/compression.ts",
  "broker/loop-delay.ts",
];

const noOutside = [
  { name: "setTimeout", message: "Use the Scheduler: this code runs on virtual time." },
  { name: "setInterval", message: "Use the Scheduler: this code runs on virtual time." },
  { name: "setImmediate", message: "Use the Scheduler: this code runs on virtual time." },
  { name: "Date", message: "Use the Scheduler: this code runs on virtual time." },
  { name: "performance", message: "Use the Scheduler: this code runs on virtual time." },
  { name: "process", message: "Cores and the broker's parts know no process." },
];

export default defineConfig(
  { ignores: ["dist/", "node_modules/", "bench/peers/", "test/kubernetes/harness/", ".forebay/"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    plugins: { "import-x": importX },
    settings: {
      "import-x/resolver-next": [importX.createNodeResolver({ extensions: [".ts", ".js"] })],
    },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/unbound-method": "off",
      "import-x/no-default-export": "error",
      "import-x/no-cycle": ["error", { maxDepth: 3 }],
    },
  },
  ...layerRules,
  {
    files: folders
      .filter((folder) => !["bench", "test"].includes(folder))
      .map((folder) => `${folder}/**/*.ts`),
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        {
          paths: ["node:http", "node:https"].map((name) => ({
            name,
            allowTypeImports: true,
            message: "lib/node-http.ts has it without the 13 MiB that an import brings.",
          })),
        },
      ],
    },
  },
  {
    files: ["lib/**/*.ts", "cluster/**/*.ts", "kube/**/*.ts", "broker/**/*.ts", "operator/**/*.ts"],
    ignores: [
      ...edges,
      "lib/clock.ts",
      "lib/random.ts",
      "lib/shutdown.ts",
      "lib/winston-logger.ts",
      "lib/node-http.ts",
      "lib/metrics.ts",
      "kube/client.ts",
      "kube/credentials.ts",
      "kube/transport.ts",
      "operator/main.ts",
      "operator/health-server.ts",
    ],
    rules: {
      "no-restricted-globals": ["error", ...noOutside],
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              group: ["node:fs*", "node:net", "node:http*", "node:child_process", "node:timers*"],
              message: "Only edges touch the outside.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ["test/**/*.ts", "bench/**/*.ts"],
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-unused-expressions": "off",
    },
  },
  {
    files: ["**/*.{js,mjs,cjs}"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        URL: "readonly",
        setTimeout: "readonly",
        clearTimeout: "readonly",
        fetch: "readonly",
        require: "readonly",
        module: "writable",
      },
    },
  },
);
