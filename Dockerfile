# The image of brokers and operator: Node, the libraries it loads, the compiled product and the packages that it runs
# on. What goes in is decided in scripts/image/root-filesystem.mjs; `npm run image` packs the same without an engine.
#   docker build --tag forebay .
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && node scripts/image.mjs --rootfs /image

FROM scratch
LABEL org.opencontainers.image.title="forebay" \
  org.opencontainers.image.description="A Kafka-compatible message broker for Kubernetes" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
ENV PATH=/usr/bin HOME=/home/forebay NODE_ENV=production
USER 10001:10001
WORKDIR /home/forebay
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--max-semi-space-size=16", "--heap-growing-percent=40", "/app/bin/forebay.mjs"]
CMD ["help"]
