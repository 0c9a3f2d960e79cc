import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DescribeLogDirsRequest,
  describeLogDirsResponse,
} from "../protocol/messages/describe-log-dirs.ts";
import type { InputOf } from "../protocol/schema.ts";
import type { Handler } from "./handler.ts";

type Response = InputOf<typeof describeLogDirsResponse>;
type Result = NonNullable<Response["results"]>[number];
type Partition = NonNullable<NonNullable<Result["topics"]>[number]["partitions"]>[number];

/** This broker's volume, its one folder of logs: their sizes, and the bytes that are left (KIP-113, KIP-827). */
export const handleDescribeLogDirs: Handler<DescribeLogDirsRequest, Response> = (
  { services },
  { topics: asked },
) => {
  const { replicas, volume, config } = services;
  const wanted =
    asked === null
      ? undefined
      : new Map(asked.map(({ topic, partitions }) => [topic, new Set(partitions)]));
  const topics = new Map<string, Partition[]>();
  for (const { topic, partition, log, highWatermark } of replicas.all()) {
    if (wanted !== undefined && wanted.get(topic)?.has(partition) !== true) continue;
    const partitions = topics.get(topic) ?? [];
    partitions.push({
      partitionIndex: partition,
      partitionSize: log.sizeBytes,
      offsetLag: Math.max(0, highWatermark - log.logEndOffset),
      isFutureKey: false,
    });
    topics.set(topic, partitions);
  }
  const { freeBytes, capacityBytes } = volume.usage;
  return {
    errorCode: ErrorCode.NONE,
    results: [
      {
        errorCode: ErrorCode.NONE,
        logDir: config.text("log.dirs"),
        topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
        totalBytes: capacityBytes,
        usableBytes: freeBytes,
        isCordoned: false,
      },
    ],
  };
};
