/** Bytes as Apache Kafka 4.4.0's own classes wrote them (test/conformance/schemas/Fixtures.java), in hexadecimal. */
export const kafkaBytes = {
  /** Metadata 5, correlation 7, client "kc". */
  requestHeader1: "000300050000000700026b63",
  requestHeader1NullClient: "0003000500000007ffff",
  /** The same with Metadata 12, the second with an unknown tagged field 9. */
  requestHeader2: "0003000c0000000700026b6300",
  requestHeader2UnknownTag: "0003000c0000000700026b63010903010203",
  responseHeader0: "00000007",
  responseHeader1: "0000000700",
  /** API 18 in 0 to 5. */
  apiVersionsResponse0: "000000000001001200000005",
  /** The same with throttle time 5, feature group.version 0 to 1, finalized features at epoch 3. */
  apiVersionsResponse3:
    "000002001200000005000000000502" +
    "0014020e67726f75702e76657273696f6e00000001000108" +
    "0000000000000003",
  /** Three records: k1 v1 with headers h=x, n=null; null v2 after 5 ms; k3 null 10 ms before. */
  batch:
    "000000000000000000000055ffffffff027644a5160000000000020000018bcfe568000000018bcfe56805" +
    "ffffffffffffffffffffffffffff0000000322000000046b310476310402680278026e01" +
    "10000a02010476320010001304046b330100",
  /** The same at offset 42, leader epoch 6, LogAppendTime 1700000001234. */
  batchStamped:
    "000000000000002a000000550000000602e03ec4d60008000000020000018bcfe568000000018bcfe56cd2" +
    "ffffffffffffffffffffffffffff0000000322000000046b310476310402680278026e01" +
    "10000a02010476320010001304046b330100",
  /** acks -1, timeout 1500, topic orders, partition 2, the batch above. */
  produceRequest9:
    "00ffff000005dc02076f72646572730200000002" +
    "62000000000000000000000055ffffffff027644a5160000000000020000018bcfe568000000018bcfe56805" +
    "ffffffffffffffffffffffffffff0000000322000000046b310476310402680278026e01" +
    "10000a02010476320010001304046b330100" +
    "000000",
  /** Two records of key k and 90 times a, compressed. */
  compressed: {
    gzip:
      "000000000000000000000059ffffffff024c2921200001000000010000018bcfe568000000018bcfe56800" +
      "ffffffffffffffffffffffffffff000000021f8b08000000000000ff3bc2c8c0c0c094bd8531916680e108" +
      "d00e261adb01003a9000a4c8000000",
    /** In xerial framing. */
    snappy:
      "000000000000000000000064ffffffff02c38a2e390002000000010000018bcfe568000000018bcfe56800" +
      "ffffffffffffffffffffffffffff0000000282534e415050590000000001000000010000001fc80124c401" +
      "000000026bb40161fe0100620100000001640002fe64007a6400",
    lz4:
      "00000000000000000000005dffffffff02d164d5fb0003000000010000018bcfe568000000018bcfe56800" +
      "ffffffffffffffffffffffffffff0000000204224d186040821d000000afc401000000026bb40161010046" +
      "100064001f0264004750616161610000000000",
    zstd:
      "000000000000000000000056ffffffff02d3d07fe60004000000010000018bcfe568000000018bcfe56800" +
      "ffffffffffffffffffffffffffff0000000228b52ffd0058cc000080c401000000026bb4016100c4010000" +
      "0202007c86a9d80490010000",
  },
  /** Offset 10, leader epoch 3, producer 4000 with epoch 2, coordinator epoch 8. */
  commitMarker:
    "000000000000000a000000420000000302049b7c7c0030000000000000018bcfe568000000018bcfe56800" +
    "0000000000000fa00002ffffffff000000012000000008000000010c00000000000800",
  /** Producer 4001 with epoch 1, sequence 17; one record of the kind above. */
  transactional:
    "000000000000000000000095ffffffff02892181480010000000000000018bcfe568000000018bcfe56800" +
    "0000000000000fa100010000001100000001c401000000026bb401" +
    `${"61".repeat(90)}00`,
  /** Replica 2 with epoch 77, cluster c1, a topic id, partitions 1 (high watermark 98) and 2 (none). */
  fetchRequest18:
    "000001f4000000017fffffff0000000000ffffffff02000102030405060708090a0b0c0d0e0f03" +
    "00000001ffffffff0000000000000063ffffffffffffffffffffffff000003e8010108" +
    "000000000000006200000002ffffffff0000000000000000ffffffffffffffffffffffff000003e800" +
    "000101020003036331010d00000002000000000000004d00",
  /** Session 3, topic t, partition 0: error 6, high watermark 5, current leader 4 in epoch 9. */
  fetchResponse12:
    "00000000000000000003020274020000000000060000000000000005ffffffffffffffffffffffffffffffff" +
    "00ffffffff000101090000000400000009000000",
} as const;

export function fromHex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
