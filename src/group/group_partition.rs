//! Which partition of an internal topic a key belongs to.

/// Kafka's partition for a group id or a transactional id: Java's `String.hashCode` (over UTF-16), its absolute value,
/// modulo the number of partitions. Every Kafka tool computes the same.
pub fn coordinator_partition(key: &str, partitions: i32) -> i32 {
    assert!(partitions > 0);
    let hash = key.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // `i32::MIN` has no absolute value; Kafka takes 0.
    hash.checked_abs().unwrap_or(0) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_kafkas() {
        // The first was read off an Apache Kafka 4.3 broker; the hashes of the others are Java's.
        for (key, partitions, expected) in [
            ("g1", 50, 42),
            ("", 50, 0),
            ("polygenelubricants", 50, 0), // hashes to i32::MIN
            ("Gruppe-ü", 1000, 50),
            ("😀", 50, 49),
        ] {
            assert_eq!(coordinator_partition(key, partitions), expected, "{key}");
        }
    }
}
