/** Fits a screen of 80 by 24. */
export const HELP = `Forebay: a Kafka-compatible message broker for Kubernetes

  forebay local [options]        a cluster on this machine, until Ctrl-C
      --brokers N                how many (3); may change at a later start
      --dir DIR                  where everything is kept (.forebay)
      --port P                   broker N listens on P + N (9092)
      --detach                   return when the brokers are ready
  forebay local ps [--dir DIR]   the brokers that run: "ID PID", a line each
  forebay local stop [--dir DIR] stop in order, and wait for it

  forebay broker                 one broker; what a broker pod runs
  forebay operator               the operator; what its Deployment runs
  forebay version | help

Both read environment variables: see docs/kubernetes.md.
`;
