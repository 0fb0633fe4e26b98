//! The topics a consumer subscribed to: the one part of members' metadata that a coordinator reads.

use std::collections::BTreeSet;

/// Topics in a consumer's metadata, added to `topics`. Reads the part that all versions begin with (version, topics).
/// `None` if the bytes are not a consumer's.
pub fn collect_subscribed_topics(metadata: &[u8], topics: &mut BTreeSet<String>) -> Option<()> {
    let (version, rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    for _ in 0..usize::try_from(i32::from_be_bytes(*count)).ok()? {
        let (len, tail) = rest.split_first_chunk::<2>()?;
        let (name, tail) = tail.split_at_checked(usize::try_from(i16::from_be_bytes(*len)).ok()?)?;
        topics.insert(std::str::from_utf8(name).ok()?.to_owned());
        rest = tail;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(metadata: &[u8]) -> Option<Vec<String>> {
        let mut topics = BTreeSet::new();
        collect_subscribed_topics(metadata, &mut topics)?;
        Some(topics.into_iter().collect())
    }

    #[test]
    fn reads_the_common_prefix_of_all_versions() {
        let v0 = b"\0\0\0\0\0\x02\0\x02t1\0\x01a\xff\xff\xff\xff";
        let v3 = b"\0\x03\0\0\0\x01\0\x02t1\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff";
        assert_eq!(topics(v0), Some(vec!["a".to_owned(), "t1".to_owned()]));
        assert_eq!(topics(v3), Some(vec!["t1".to_owned()]));
        assert_eq!(topics(b"\0\0\0\0\0\0"), Some(vec![]));
    }

    #[test]
    fn refuses_what_is_not_a_subscription() {
        for bad in [
            &b""[..],
            b"\0",
            b"\0\0\x7f\xff\xff\xff",
            b"\0\0\xff\xff\xff\xff",
            b"\0\0\0\0\0\x01\0\x05t1",
            b"\xff\xff\0\0\0\0",
        ] {
            assert_eq!(topics(bad), None, "{bad:?}");
        }
    }
}
