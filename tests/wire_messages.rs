//! Every message in every version: bytes made from its table come back, and unknown tags do no harm. Some against
//! bytes made by Apache Kafka's own classes.

mod wire_values;

use bytes::Bytes;
use corelane::wire::api::ApiKey;
use corelane::wire::codec::{DecodeErrorKind, EncodeError, Message};
use corelane::wire::messages::{FetchRequest, MetadataRequest};
use wire_values::{Random, UnknownTags, codecs};

#[test]
fn every_message_comes_back_byte_for_byte() {
    let mut random = Random::new(1);
    for codec in codecs() {
        for version in codec.versions.iter() {
            for _ in 0..20 {
                let bytes = codec.random_bytes(version, UnknownTags::None, &mut random);
                let again = (codec.recode)(&bytes, version);
                assert_eq!(again.as_ref(), Ok(&bytes), "{} v{version}", codec.name);
            }
        }
    }
}

#[test]
fn unknown_tags_are_skipped() {
    for codec in codecs() {
        for version in codec
            .versions
            .iter()
            .filter(|version| codec.is_flexible(*version))
        {
            for seed in 0..5 {
                let bytes = codec.random_bytes(version, UnknownTags::Some, &mut Random::new(seed));
                let known = (codec.recode)(&bytes, version);
                let known = known.unwrap_or_else(|e| panic!("{} v{version}: {e}", codec.name));
                assert!(known.len() <= bytes.len());
                assert_eq!((codec.recode)(&known, version), Ok(known));
            }
        }
    }
}

#[test]
fn other_versions_do_not_exist() {
    for codec in codecs() {
        for version in [
            codec.versions.first - 1,
            codec.versions.last + 1,
            -1,
            i16::MAX,
            i16::MIN,
        ] {
            let error = (codec.decode)(&Bytes::from_static(&[0; 64]), version).unwrap_err();
            assert_eq!(
                error.kind,
                DecodeErrorKind::UnsupportedVersion(version),
                "{}",
                codec.name
            );
        }
    }
}

#[test]
fn tables_keep_to_the_rules() {
    for codec in codecs() {
        check(codec.schema, codec.name);
    }
    fn check(schema: &corelane::wire::codec::StructSchema, message: &str) {
        let tags: Vec<_> = schema.tagged.iter().map(|field| field.tag).collect();
        assert!(
            tags.is_sorted() && tags.iter().all(Option::is_some),
            "{message}: {}",
            schema.name
        );
        for field in schema.fields.iter().chain(schema.tagged) {
            assert!(
                field.versions.first <= field.versions.last,
                "{message}: {}",
                field.name
            );
            let mut kind = &field.kind;
            while let corelane::wire::codec::Kind::Array(element) = kind {
                kind = element;
            }
            if let corelane::wire::codec::Kind::Struct(nested) = kind {
                check(nested, message);
            }
        }
    }
}

#[test]
fn a_request_is_not_sent_if_the_version_would_change_its_meaning() {
    let request = MetadataRequest {
        topics: Some(vec![]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    assert!(request.to_bytes(4).is_ok());
    assert_eq!(
        request.to_bytes(3),
        Err(EncodeError::NotInVersion("allow_auto_topic_creation"))
    );
    let everything = MetadataRequest::default();
    assert!(matches!(
        everything.to_bytes(0),
        Err(EncodeError::UnexpectedNull(_))
    ));
    assert!(everything.to_bytes(1).is_ok());
    let mut as_follower = FetchRequest::default();
    as_follower.replica_state.replica_id = 1;
    assert_eq!(
        as_follower.to_bytes(14),
        Err(EncodeError::NotInVersion("replica_state"))
    );
    assert!(as_follower.to_bytes(15).is_ok());
}

#[test]
fn versions_are_those_of_kafka_4() {
    // key: first, last, first flexible version; from Kafka's documentation of its protocol.
    let expected = [
        (0, 3, 13, 9),
        (1, 4, 18, 12),
        (3, 0, 13, 9),
        (8, 2, 10, 8),
        (9, 1, 10, 6),
        (17, 0, 1, i16::MAX),
        (18, 0, 5, 3),
        (22, 0, 6, 2),
        (28, 0, 6, 3),
        (42, 0, 3, 2),
        (47, 0, 0, i16::MAX),
        (78, 1, 2, 0),
        (88, 0, 1, 0),
        (94, 0, 0, 0),
    ];
    for (key, first, last, flexible) in expected {
        let api = ApiKey::from_key(key).unwrap();
        assert_eq!(
            (api.versions().first, api.versions().last),
            (first, last),
            "{api}"
        );
        assert_eq!(api.first_flexible(), flexible, "{api}");
    }
}
