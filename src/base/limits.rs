//! Every limit of the broker, with the relations between them checked by the compiler.

/// Alignment of direct I/O, in bytes. Some disks report less; 4 KiB is right on all of them.
pub const DISK_BLOCK_BYTES: usize = 4096;

/// Largest request frame, in bytes. Kafka's default for `socket.request.max.bytes`.
pub const MAX_FRAME_BYTES: usize = 100 * 1024 * 1024;

/// Largest number of elements a decoded array may have, as Apache Kafka 4.4 has it.
pub const MAX_ARRAY_ELEMENTS: usize = 1_000_000;

/// Largest number of tagged fields in one section, as Apache Kafka 4.4 has it.
pub const MAX_TAGGED_FIELDS: usize = 10_000;

const _: () = assert!(DISK_BLOCK_BYTES.is_power_of_two());
const _: () = assert!(MAX_FRAME_BYTES <= i32::MAX as usize);
