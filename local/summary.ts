import path from "node:path";

/** What a person wants to know once the brokers are ready (pure). */
export function summary(facts: {
  readonly brokers: number;
  readonly port: number;
  readonly directory: string;
  readonly tookMs: number;
}): string {
  const { brokers, port, directory, tookMs } = facts;
  const addresses = Array.from({ length: brokers }, (_, id) => `localhost:${String(port + id)}`);
  const config = path.join(directory, "kubeconfig");
  const count = brokers === 1 ? "1 broker" : `${String(brokers)} brokers`;
  return `Forebay is ready: ${count} in ${(tookMs / 1000).toFixed(1)} s

  Kafka clients   ${addresses.join(",")}
                  echo hello | kcat -b ${addresses[0] ?? ""} -P -t greetings
  Kubernetes      export KUBECONFIG=${config}
                  kubectl get bc,ftopic,pslice,fbroker,pods
  Everything is kept in ${directory}; broker logs are in ${path.join(directory, "logs")}

`;
}
