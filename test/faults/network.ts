import { spawnSync } from "node:child_process";

/** Broker n listens and connects on an address of its own (broker-address.mjs); clients, API and kubelet share another. */
export function brokerAddress(id: number): string {
  return `127.0.0.${11 + id}`;
}

const OTHERS = "127.0.0.1";
const TABLE = "forebay_faults";

/** Whom a cut concerns: a broker by its id, the Kubernetes API, or the clients. */
export type Party = number | "api" | "clients";

/** Packets of one party to another are lost; those the other way are not. */
export interface Cut {
  readonly from: Party;
  readonly to: Party;
}

/** The loopback network of this process's network namespace, with a packet filter in it (edge). */
export class Network {
  readonly #apiPort: number;

  /** @param apiPort of the Kubernetes API, which has the clients' address */
  constructor(apiPort: number) {
    this.#apiPort = apiPort;
  }

  /** Exactly these cuts are in force; `lossPercent` of all packets between brokers are lost by chance as well. */
  set(cuts: readonly Cut[], lossPercent = 0): void {
    const rules = cuts.map((cut) => `${this.#match(cut)} drop`);
    if (lossPercent > 0) {
      rules.push(
        `ip saddr 127.0.0.11-127.0.0.42 ip daddr 127.0.0.11-127.0.0.42 numgen random mod 100 < ${lossPercent} drop`,
      );
    }
    nft(
      [
        `table ip ${TABLE}`,
        `delete table ip ${TABLE}`,
        `table ip ${TABLE} {`,
        "  chain lost {",
        "    type filter hook output priority 0;",
        ...rules.map((rule) => `    ${rule};`),
        "  }",
        "}",
      ].join("\n"),
    );
  }

  heal(): void {
    this.set([]);
  }

  #match({ from, to }: Cut): string {
    const addresses = `ip saddr ${addressOf(from)} ip daddr ${addressOf(to)}`;
    if (from === "api") return `${addresses} tcp sport ${this.#apiPort}`;
    if (to === "api") return `${addresses} tcp dport ${this.#apiPort}`;
    if (from === "clients") return `${addresses} tcp sport != ${this.#apiPort}`;
    if (to === "clients") return `${addresses} tcp dport != ${this.#apiPort}`;
    return addresses;
  }
}

/** Both ways. */
export function parted(one: Party, other: Party): readonly Cut[] {
  return [
    { from: one, to: other },
    { from: other, to: one },
  ];
}

function addressOf(party: Party): string {
  return typeof party === "number" ? brokerAddress(party) : OTHERS;
}

function nft(script: string): void {
  const { status, stderr } = spawnSync("nft", ["-f", "-"], { input: script, encoding: "utf8" });
  if (status !== 0) throw new Error(`nft: ${stderr}`);
}
