/** A KUBECONFIG (v1 Config) for the local API: one cluster, no credentials. */
export function kubeconfig(server: string): string {
  return `apiVersion: v1
kind: Config
clusters:
  - name: forebay-local
    cluster:
      server: ${server}
users:
  - name: forebay-local
    user: {}
contexts:
  - name: forebay-local
    context:
      cluster: forebay-local
      user: forebay-local
      namespace: default
current-context: forebay-local
`;
}
