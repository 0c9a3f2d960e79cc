/** What is known of an API beyond its messages. */
export interface ApiNotes {
  /** Proposals (KIPs) with the version that brought each; of none it is part of the API from the beginning. */
  readonly kips: string;
  /** Where a served API does less than Kafka's, in a few words. */
  readonly limits?: string;
}

/** By name; every API whose messages are known has its line. */
export const apiNotes: Readonly<Record<string, ApiNotes>> = {
  Produce: {
    kips: "98 (3), 110 (7), 467 (8), 951 (10), 890 (11, 12), 516 (13)",
    limits: "versions 0 to 2 are offered but refused, as Kafka does (KAFKA-18659)",
  },
  Fetch: {
    kips: "74, 98 (4), 107 (5), 227 (7), 320 (9, 12), 110 (10), 392 (11), 516 (13), 903 (15), 951 (16), 1166 (18)",
    limits: "no tiered storage (KIP-405)",
  },
  ListOffsets: {
    kips: "79, 98 (2), 320 (4), 207 (5), 734 (7), 405 (8), 1005 (9), 1075 (10), 1023 (11)",
    limits: "nothing is tiered: -4 is the earliest offset, -5 and -6 are unknown",
  },
  Metadata: {
    kips: "4, 78 (2), 112 (5), 320 (7), 430 (8), 516 (10, 12), 700 (11), 1102 (13)",
    limits: "authorized operations are not told",
  },
  OffsetCommit: { kips: "211 (5), 320 (6), 345 (7), 848 (9, 10)" },
  OffsetFetch: { kips: "88 (2), 320 (5), 447 (7), 709 (8), 848 (9, 10)" },
  FindCoordinator: {
    kips: "98 (1), 699 (4), 890 (5), 932 (6)",
    limits: "groups only, neither transactions nor share groups",
  },
  JoinGroup: { kips: "62 (1), 394 (4), 345 (5), 559 (7), 800 (8), 814 (9)" },
  Heartbeat: { kips: "345 (3)" },
  LeaveGroup: { kips: "345 (3), 800 (5)" },
  SyncGroup: { kips: "345 (3), 559 (5)" },
  DescribeGroups: {
    kips: "430 (3), 345 (4), 1043 (6)",
    limits: "authorized operations are not told",
  },
  ListGroups: { kips: "518 (4), 848 (5)" },
  SaslHandshake: { kips: "43, 152 (1)" },
  ApiVersions: { kips: "35, 511 (3), 584 (3), 1022 (4), 1242 (5)" },
  CreateTopics: { kips: "4, 464 (4), 525 (5), 599 (6), 516 (7)" },
  DeleteTopics: { kips: "4, 599 (5), 516 (6)" },
  DeleteRecords: { kips: "107" },
  InitProducerId: {
    kips: "98, 360 (3), 588 (4), 890 (5)",
    limits: "idempotent producers only, a transactional id is refused",
  },
  OffsetForLeaderEpoch: { kips: "101, 320 (2, 3)" },
  AddPartitionsToTxn: { kips: "98, 588 (2), 890 (4, 5)" },
  AddOffsetsToTxn: { kips: "98, 588 (2), 890 (4)" },
  EndTxn: { kips: "98, 588 (2), 890 (4, 5)" },
  WriteTxnMarkers: { kips: "98, 1228 (2)" },
  TxnOffsetCommit: { kips: "98, 320 (2), 447 (3), 890 (4, 5), 1319 (6)" },
  DescribeAcls: { kips: "140, 290 (1), 373 (3)" },
  CreateAcls: { kips: "140, 290 (1), 373 (3)" },
  DeleteAcls: { kips: "140, 290 (1), 373 (3)" },
  DescribeConfigs: { kips: "133, 226 (1), 569 (3)", limits: "topics and brokers" },
  AlterConfigs: {
    kips: "133",
    limits: "topics; a broker's configuration is set in the BrokerCluster object",
  },
  DescribeLogDirs: { kips: "113, 827 (4), 1066 (5)", limits: "a broker has one volume" },
  SaslAuthenticate: { kips: "152, 368 (1)" },
  CreatePartitions: { kips: "195, 599 (3)" },
  DeleteGroups: { kips: "229" },
  ElectLeaders: { kips: "183, 460 (1)" },
  IncrementalAlterConfigs: {
    kips: "339",
    limits: "topics; a broker's configuration is set in the BrokerCluster object",
  },
  AlterPartitionReassignments: { kips: "455, 860 (1)" },
  ListPartitionReassignments: { kips: "455" },
  OffsetDelete: { kips: "496" },
  DescribeClientQuotas: { kips: "546", limits: "no controller_mutation_rate (KIP-599)" },
  AlterClientQuotas: { kips: "546", limits: "no controller_mutation_rate (KIP-599)" },
  DescribeCluster: { kips: "700, 919 (1), 1073 (2)" },
  DescribeProducers: { kips: "664" },
  BrokerHeartbeat: { kips: "631, 858 (1), 1066 (2)" },
  ConsumerGroupHeartbeat: { kips: "848, 1082 (1)" },
  ConsumerGroupDescribe: { kips: "848, 1099 (1)" },
  ListConfigResources: { kips: "1000, 1142 (1)", limits: "topics and brokers" },
  DescribeTopicPartitions: { kips: "966" },
};

/** APIs of Kafka 4.4 whose messages are not known here, and why: by key. What becomes known drops out by itself. */
export const otherApis: readonly {
  readonly why: string;
  readonly names: Readonly<Record<number, string>>;
}[] = [
  {
    why: "share groups (KIP-932) are not there yet",
    names: {
      76: "ShareGroupHeartbeat",
      77: "ShareGroupDescribe",
      78: "ShareFetch",
      79: "ShareAcknowledge",
      90: "DescribeShareGroupOffsets",
      91: "AlterShareGroupOffsets",
      92: "DeleteShareGroupOffsets",
    },
  },
  {
    why: "spoken between Kafka's own brokers; here the state of share groups is the coordinator's own",
    names: {
      83: "InitializeShareGroupState",
      84: "ReadShareGroupState",
      85: "WriteShareGroupState",
      86: "DeleteShareGroupState",
      87: "ReadShareGroupStateSummary",
    },
  },
  {
    why: "the groups of Kafka Streams' own protocol (KIP-1071); Streams works with classic groups",
    names: {
      88: "StreamsGroupHeartbeat",
      89: "StreamsGroupDescribe",
      93: "StreamsGroupTopologyDescriptionUpdate",
    },
  },
  {
    why: "transactions are not there yet",
    names: { 65: "DescribeTransactions", 66: "ListTransactions" },
  },
  {
    why: "users are User objects in Kubernetes",
    names: {
      50: "DescribeUserScramCredentials",
      51: "AlterUserScramCredentials",
      38: "CreateDelegationToken",
      39: "RenewDelegationToken",
      40: "ExpireDelegationToken",
      41: "DescribeDelegationToken",
    },
  },
  {
    why: "client telemetry (KIP-714); Kafka hides these too unless a plugin takes it",
    names: { 71: "GetTelemetrySubscriptions", 72: "PushTelemetry" },
  },
  {
    why: "a broker has one volume, so there is nothing to move between",
    names: { 34: "AlterReplicaLogDirs" },
  },
  {
    why: "the metadata quorum of Kafka (KRaft); here Kubernetes keeps the metadata",
    names: {
      52: "Vote",
      53: "BeginQuorumEpoch",
      54: "EndQuorumEpoch",
      55: "DescribeQuorum",
      56: "AlterPartition",
      57: "UpdateFeatures",
      58: "Envelope",
      59: "FetchSnapshot",
      62: "BrokerRegistration",
      64: "UnregisterBroker",
      67: "AllocateProducerIds",
      70: "ControllerRegistration",
      73: "AssignReplicasToDirs",
      80: "AddRaftVoter",
      81: "RemoveRaftVoter",
      82: "UpdateRaftVoter",
      94: "UnregisterController",
    },
  },
  {
    why: "Kafka removed them in 4.0",
    names: { 4: "LeaderAndIsr", 5: "StopReplica", 6: "UpdateMetadata", 7: "ControlledShutdown" },
  },
];
