//! Every limit of the broker, with the relations between them checked by the compiler.

/// Alignment of direct I/O, in bytes. Some disks report less; 4 KiB is right on all of them.
pub const DISK_BLOCK_BYTES: usize = 4096;

/// Largest request frame, in bytes. Kafka's default for `socket.request.max.bytes`.
pub const MAX_FRAME_BYTES: usize = 100 * 1024 * 1024;

/// Largest number of elements a decoded array may have, as Apache Kafka 4.4 has it.
pub const MAX_ARRAY_ELEMENTS: usize = 1_000_000;

/// Largest number of tagged fields in one section, as Apache Kafka 4.4 has it.
pub const MAX_TAGGED_FIELDS: usize = 10_000;

/// Longest string of the protocol, in bytes: what its two-byte length can say. Compact strings keep to it too.
pub const MAX_STRING_BYTES: usize = i16::MAX as usize;

/// How many times its own size a frame may take when decoded to plain structs. An array of topic names of one
/// character takes 25 bytes of memory for each two on the wire, the most an honest request can ask for.
pub const MAX_DECODE_EXPANSION: usize = 16;

/// What a frame may take in memory besides that, in bytes, so that a tiny one is not refused.
pub const DECODE_ALLOWANCE_BYTES: usize = 4096;

/// Memory of a shard that is registered with the kernel for disk I/O, in bytes: what is read and written comes from here
/// while it has room, and from the heap else. Holds some 1 MiB writes in flight and the read cache's turnover; a guess.
pub const SHARD_IO_MEMORY_BYTES: usize = 32 * 1024 * 1024;

const _: () = assert!(DISK_BLOCK_BYTES.is_power_of_two());
const _: () = assert!(MAX_FRAME_BYTES <= i32::MAX as usize);

/// Partitions that one request may create, as Apache Kafka has it: a bound on the time the controller spends on it.
pub const MAX_PARTITIONS_PER_COMMAND: usize = 10_000;

/// Partitions of a cluster. A guess: some hundred bytes of image and some files on disk each, on a few servers.
pub const MAX_PARTITIONS: usize = 200_000;

const _: () = assert!(MAX_PARTITIONS_PER_COMMAND <= MAX_PARTITIONS);
const _: () = assert!(MAX_PARTITIONS <= i32::MAX as usize);

/// SCRAM credentials of a cluster, one for each user and mechanism. A guess: some hundred bytes of image each, which every
/// change of one of them copies.
pub const MAX_SCRAM_CREDENTIALS: usize = 100_000;

/// Groups of one partition of `__consumer_offsets`. A guess: with Kafka's 50 partitions five million groups, at some
/// hundred bytes each.
pub const MAX_GROUPS_PER_COORDINATOR: usize = 100_000;

/// Members of one group, whatever `group.max.size` says: the leader is sent all of them in one answer.
pub const MAX_GROUP_MEMBERS: usize = 50_000;

/// Member ids of one group that were given out and not joined with yet (KIP-394). Each is forgotten after its session
/// timeout; this is for clients that ask for one after the other.
pub const MAX_PENDING_MEMBERS: usize = 10_000;

const _: () = assert!(MAX_PENDING_MEMBERS <= MAX_GROUP_MEMBERS);
