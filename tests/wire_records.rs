//! Record batches: against bytes that Apache Kafka made, against the `kafka-protocol` crate, and against hostile input.

use bytes::{Bytes, BytesMut};
use corelane::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use corelane::wire::records::compression::{self, CompressionError};
use corelane::wire::records::{
    BATCH_HEADER_BYTES, BatchBuilder, BatchError, BatchView, Compression, ControlMarker, MarkerKind,
    TimestampType, batches, patch_base_offset_and_epoch, patch_max_timestamp_log_append, patch_producer,
};
use kafka_protocol::records as oracle;

/// The same three records in every codec, as Apache Kafka 4.3's `MemoryRecords.withIdempotentRecords` writes them: leader
/// epoch 5, producer 4711 epoch 3, first sequence 17.
const GOLDEN: [(Compression, &str); 5] = [
    (
        Compression::None,
        "00000000000000000000007c0000000502fcc58b5b0000000000020000018bcfe568000000018bcfe5687b00000000000012670003000000\
         11000000031a000000046b310a68656c6c6f006600f60102014668656c6c6f2068656c6c6f2068656c6c6f2068656c6c6f2068656c6c6f20\
         68656c6c6f0402680276066e696c0110001304046b330100",
    ),
    (
        Compression::Gzip,
        "000000000000000000000071000000050211d50a720001000000020000018bcfe568000000018bcfe5687b00000000000012670003000000\
         11000000031f8b08000000000000ff9362606060c936e4ca48cdc9c9674863f8c6c8c4e806e628e02559983298cad8f23273180518845958\
         b28d1919005f3056964b000000",
    ),
    (
        Compression::Snappy,
        "00000000000000000000007700000005029fe2ec980002000000020000018bcfe568000000018bcfe5687b00000000000012670003000000\
         110000000382534e41505059000000000100000001000000324b501a000000046b310a68656c6c6f006600f601020146050d002072060048\
         0402680276066e696c0110001304046b330100",
    ),
    (
        Compression::Lz4,
        "0000000000000000000000730000000502201a3ac80003000000020000018bcfe568000000018bcfe5687b00000000000012670003000000\
         110000000304224d1860408233000000f1061a000000046b310a68656c6c6f006600f6010201460d001f2006000af0040402680276066e69\
         6c0110001304046b33010000000000",
    ),
    (
        Compression::Zstd,
        "0000000000000000000000700000000502f53e9c110004000000020000018bcfe568000000018bcfe5687b00000000000012670003000000\
         110000000328b52ffd00589c010094021a000000046b310a68656c6c6f006600f601020146200402680276066e696c0110001304046b3301\
         000200295704613201010000",
    ),
];

/// A commit marker at offset 42 by Kafka's `MemoryRecords.withEndTransactionMarker`, coordinator epoch 6.
const GOLDEN_MARKER: &str = "000000000000002a0000004200000009024fa38dcc0030000000000000018bcfe568000000018bcfe5680000000000\
                             000012670003ffffffff000000012000000008000000010c00000000000600";

const LIMIT: usize = 1 << 20;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

type OwnedHeaders = Vec<(String, Option<Vec<u8>>)>;

#[derive(Clone, Debug, PartialEq)]
struct Owned {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

fn read(batch: &[u8]) -> Result<Vec<Owned>, BatchError> {
    let view = BatchView::parse(batch)?;
    view.check_crc()?;
    let open = view.open(LIMIT)?;
    open.records()
        .map(|record| {
            let record = record?;
            let owned = |bytes: &[u8]| bytes.to_vec();
            Ok(Owned {
                offset: record.offset.0,
                timestamp_ms: record.timestamp_ms,
                key: record.key.map(owned),
                value: record.value.map(owned),
                headers: record
                    .headers()
                    .map(|h| (String::from_utf8_lossy(h.key).into_owned(), h.value.map(owned)))
                    .collect(),
            })
        })
        .collect()
}

fn append(builder: &mut BatchBuilder, record: &Owned) {
    let headers: Vec<(&str, Option<&[u8]>)> = record
        .headers
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_deref()))
        .collect();
    builder.append(
        record.timestamp_ms,
        record.key.as_deref(),
        record.value.as_deref(),
        &headers,
    );
}

fn golden_records() -> Vec<Owned> {
    let some = |text: &str| Some(text.as_bytes().to_vec());
    vec![
        Owned {
            offset: 0,
            timestamp_ms: 1_700_000_000_000,
            key: some("k1"),
            value: some("hello"),
            headers: vec![],
        },
        Owned {
            offset: 1,
            timestamp_ms: 1_700_000_000_123,
            key: None,
            value: some("hello hello hello hello hello hello"),
            headers: vec![("h".into(), some("v")), ("nil".into(), None)],
        },
        Owned {
            offset: 2,
            timestamp_ms: 1_699_999_999_990,
            key: some("k3"),
            value: None,
            headers: vec![],
        },
    ]
}

fn golden_builder(codec: Compression) -> BatchBuilder {
    let mut builder = BatchBuilder::new(codec).leader_epoch(LeaderEpoch(5)).producer(
        ProducerId(4711),
        ProducerEpoch(3),
        17,
    );
    for record in golden_records() {
        append(&mut builder, &record);
    }
    builder
}

/// SplitMix64: enough for test data, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let repetitive = self.below(2) == 0;
        (0..self.below(most + 1))
            .map(|_| if repetitive { b'a' } else { self.next() as u8 })
            .collect()
    }

    fn maybe_bytes(&mut self, most: u64) -> Option<Vec<u8>> {
        (self.below(4) > 0).then(|| self.bytes(most))
    }

    fn records(&mut self) -> Vec<Owned> {
        (0..1 + self.below(40) as i64)
            .map(|offset| Owned {
                offset,
                timestamp_ms: 1_700_000_000_000 + self.below(1000) as i64 - 500,
                key: self.maybe_bytes(100),
                value: self.maybe_bytes(5000),
                headers: (0..self.below(4))
                    .map(|i| (format!("h{i}"), self.maybe_bytes(30)))
                    .collect(),
            })
            .collect()
    }
}

#[test]
fn reads_what_kafka_wrote() {
    for (codec, bytes) in GOLDEN {
        let bytes = hex(bytes);
        let view = BatchView::parse(&bytes).unwrap();
        assert_eq!(view.bytes().len(), bytes.len());
        let header = view.header();
        assert_eq!(view.compression(), codec);
        assert_eq!(header.base_offset, Offset(0));
        assert_eq!(header.partition_leader_epoch, LeaderEpoch(5));
        assert_eq!(header.last_offset_delta, 2);
        assert_eq!(header.base_timestamp, 1_700_000_000_000);
        assert_eq!(header.max_timestamp, 1_700_000_000_123);
        assert_eq!(header.producer_id, ProducerId(4711));
        assert_eq!(header.producer_epoch, ProducerEpoch(3));
        assert_eq!(header.base_sequence, 17);
        assert_eq!(header.last_sequence(), 19);
        assert_eq!(header.record_count, 3);
        assert_eq!(header.attributes.timestamp_type(), TimestampType::CreateTime);
        assert!(!header.attributes.is_transactional() && !header.attributes.is_control());
        header.check_from_producer().unwrap();
        assert_eq!(read(&bytes).unwrap(), golden_records(), "{codec}");
    }
}

#[test]
fn writes_the_bytes_kafka_writes() {
    // Compressors differ in what they find; the uncompressed bytes may not.
    let built = golden_builder(Compression::None).build().unwrap();
    assert_eq!(built, hex(GOLDEN[0].1));
    // And Kafka's readers take nothing but these beginnings.
    let snappy = golden_builder(Compression::Snappy).build().unwrap();
    assert_eq!(
        snappy[BATCH_HEADER_BYTES..][..16],
        hex("82534e41505059000000000100000001")
    );
    let lz4 = golden_builder(Compression::Lz4).build().unwrap();
    assert_eq!(lz4[BATCH_HEADER_BYTES..][..7], hex("04224d18604082"));
}

#[test]
fn markers_are_kafkas() {
    let bytes = hex(GOLDEN_MARKER);
    let view = BatchView::parse(&bytes).unwrap();
    view.check_crc().unwrap();
    assert!(view.header().attributes.is_control() && view.header().attributes.is_transactional());
    assert_eq!(
        view.header().check_from_producer(),
        Err(BatchError::NotFromProducer {
            what: "it is a control batch"
        })
    );
    let record = view.records().unwrap().next().unwrap().unwrap();
    let marker = ControlMarker::from_record(&record).unwrap();
    assert_eq!(
        marker,
        ControlMarker {
            kind: MarkerKind::Commit,
            coordinator_epoch: 6
        }
    );

    let mut builder = BatchBuilder::new(Compression::None)
        .base_offset(Offset(42))
        .leader_epoch(LeaderEpoch(9))
        .producer(ProducerId(4711), ProducerEpoch(3), -1);
    builder.append_control(1_700_000_000_000, marker);
    assert_eq!(builder.build().unwrap(), bytes);
}

#[test]
fn round_trips_in_every_codec() {
    let mut random = Random(1);
    for round in 0..60 {
        let records = random.records();
        for codec in Compression::ALL {
            let mut builder = BatchBuilder::new(codec);
            for record in &records {
                append(&mut builder, record);
            }
            assert_eq!(builder.len(), records.len());
            let first = builder.build().unwrap();
            assert_eq!(read(&first).unwrap(), records, "round {round} {codec}");
            // A builder can be used again.
            append(&mut builder, &records[0]);
            assert_eq!(
                read(&builder.build().unwrap()).unwrap(),
                records[..1],
                "round {round} {codec}"
            );
        }
    }
}

#[test]
fn large_payloads_round_trip_in_many_blocks() {
    let mut random = Random(2);
    let text: Vec<u8> = (0..300_000).map(|_| b'a' + random.below(4) as u8).collect();
    for codec in Compression::ALL {
        let packed = compression::compress(codec, &text).unwrap();
        assert_eq!(
            compression::decompress(codec, &packed, text.len()).unwrap(),
            text,
            "{codec}"
        );
        assert_eq!(
            compression::decompress(codec, &packed, text.len() - 1),
            Err(CompressionError::TooLarge {
                codec,
                limit: text.len() - 1
            })
        );
    }
}

#[test]
fn plain_snappy_is_read() {
    let text = b"no framing no framing no framing".repeat(10);
    let packed = snap::raw::Encoder::new().compress_vec(&text).unwrap();
    assert_eq!(
        compression::decompress(Compression::Snappy, &packed, LIMIT).unwrap(),
        text
    );
}

fn oracle_codec(codec: Compression) -> oracle::Compression {
    match codec {
        Compression::None => oracle::Compression::None,
        Compression::Gzip => oracle::Compression::Gzip,
        Compression::Snappy => oracle::Compression::Snappy,
        Compression::Lz4 => oracle::Compression::Lz4,
        Compression::Zstd => oracle::Compression::Zstd,
    }
}

#[test]
fn the_oracle_reads_ours() {
    let mut random = Random(3);
    for round in 0..40 {
        let records = random.records();
        for codec in Compression::ALL {
            let mut builder = BatchBuilder::new(codec).base_offset(Offset(1000)).producer(
                ProducerId(7),
                ProducerEpoch(1),
                5,
            );
            for record in &records {
                append(&mut builder, record);
            }
            let mut bytes = builder.build().unwrap().freeze();
            let set = oracle::RecordBatchDecoder::decode(&mut bytes).unwrap();
            assert_eq!(set.compression, oracle_codec(codec));
            assert_eq!(set.records.len(), records.len(), "round {round} {codec}");
            for (theirs, ours) in set.records.iter().zip(&records) {
                assert_eq!(theirs.offset, 1000 + ours.offset);
                assert_eq!(theirs.timestamp, ours.timestamp_ms);
                assert_eq!(theirs.key.as_deref(), ours.key.as_deref());
                assert_eq!(theirs.value.as_deref(), ours.value.as_deref());
                let headers: OwnedHeaders = theirs
                    .headers
                    .iter()
                    .map(|(k, v)| (k.to_string(), v.as_ref().map(|v| v.to_vec())))
                    .collect();
                assert_eq!(headers, ours.headers);
                assert_eq!((theirs.producer_id, theirs.producer_epoch), (7, 1));
            }
        }
    }
}

#[test]
fn ours_reads_the_oracles() {
    let mut random = Random(4);
    for round in 0..40 {
        let records = random.records();
        let theirs: Vec<oracle::Record> = records
            .iter()
            .map(|record| oracle::Record {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: 3,
                producer_id: -1,
                producer_epoch: -1,
                timestamp_type: oracle::TimestampType::Creation,
                offset: record.offset,
                sequence: -1,
                timestamp: record.timestamp_ms,
                key: record.key.clone().map(Bytes::from),
                value: record.value.clone().map(Bytes::from),
                headers: record
                    .headers
                    .iter()
                    .map(|(k, v)| {
                        let key = kafka_protocol::protocol::StrBytes::from_string(k.clone());
                        (key, v.clone().map(Bytes::from))
                    })
                    .collect(),
            })
            .collect();
        for codec in Compression::ALL {
            let mut bytes = BytesMut::new();
            let options = oracle::RecordEncodeOptions {
                version: 2,
                compression: oracle_codec(codec),
            };
            oracle::RecordBatchEncoder::encode(&mut bytes, &theirs, &options).unwrap();
            // The crate may make several batches of one set.
            let ours: Vec<Owned> = batches(&bytes)
                .flat_map(|batch| read(batch.unwrap().bytes()).unwrap())
                .collect();
            assert_eq!(ours, records, "round {round} {codec}");
        }
    }
}

#[test]
fn patches_change_what_they_say_and_nothing_else() {
    let mut bytes = golden_builder(Compression::Zstd).build().unwrap();
    patch_base_offset_and_epoch(&mut bytes, Offset(1 << 40), LeaderEpoch(77));
    let records = read(&bytes).unwrap();
    assert_eq!(records[2].offset, (1 << 40) + 2);
    assert_eq!(
        BatchView::parse(&bytes).unwrap().header().partition_leader_epoch,
        LeaderEpoch(77)
    );

    patch_producer(&mut bytes, ProducerId(8), ProducerEpoch(9), i32::MAX);
    let header = *BatchView::parse(&bytes).unwrap().header();
    assert_eq!(
        (header.producer_id, header.producer_epoch),
        (ProducerId(8), ProducerEpoch(9))
    );
    assert_eq!(
        (header.base_sequence, header.last_sequence()),
        (i32::MAX, 1),
        "sequences wrap to 0"
    );

    patch_max_timestamp_log_append(&mut bytes, 1_800_000_000_000);
    let view = BatchView::parse(&bytes).unwrap();
    assert_eq!(
        view.header().attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(view.compression(), Compression::Zstd);
    assert!(
        read(&bytes)
            .unwrap()
            .iter()
            .all(|record| record.timestamp_ms == 1_800_000_000_000)
    );
    assert_eq!(read(&bytes).unwrap()[0].value.as_deref(), Some(&b"hello"[..]));
}

#[test]
fn a_buffer_of_batches_is_walked_and_its_partial_end_told() {
    let one = golden_builder(Compression::None).build().unwrap();
    let two = golden_builder(Compression::Gzip).build().unwrap();
    let both = [&one[..], &two[..]].concat();
    let mut walk = batches(&both);
    assert_eq!(walk.next().unwrap().unwrap().bytes(), one);
    assert_eq!(walk.position(), one.len());
    assert_eq!(walk.next().unwrap().unwrap().bytes(), two);
    assert!(walk.next().is_none());

    for cut in 1..two.len() {
        let mut walk = batches(&both[..one.len() + cut]);
        assert!(walk.next().unwrap().is_ok());
        let error = walk.next().unwrap().unwrap_err();
        let BatchError::Partial { have, needed } = error else {
            panic!("cut {cut}: {error}")
        };
        assert_eq!(have, cut);
        assert!(needed > cut && needed <= two.len());
        assert!(walk.next().is_none());
        assert_eq!(walk.position(), one.len());
    }
}

#[test]
fn old_message_formats_are_named() {
    for magic in [0u8, 1] {
        let mut bytes = vec![0; 34];
        bytes[11] = 22;
        bytes[16] = magic;
        let error = BatchView::parse(&bytes).unwrap_err();
        assert_eq!(error, BatchError::UnsupportedMagic { magic: magic as i8 });
        assert!(error.to_string().contains("not supported"));
    }
}

#[test]
fn impossible_headers_are_refused() {
    let good = golden_builder(Compression::None).build().unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        BatchView::parse(&bad).unwrap_err()
    };
    assert!(matches!(
        with(8, &48i32.to_be_bytes()),
        BatchError::Length { batch_length: 48 }
    ));
    assert!(matches!(
        with(8, &i32::MIN.to_be_bytes()),
        BatchError::Length { .. }
    ));
    assert!(matches!(
        with(8, &i32::MAX.to_be_bytes()),
        BatchError::Partial { .. }
    ));
    assert!(matches!(
        with(16, &[3]),
        BatchError::UnsupportedMagic { magic: 3 }
    ));
    assert!(matches!(
        with(21, &5i16.to_be_bytes()),
        BatchError::UnknownCompression { id: 5 }
    ));
    assert!(matches!(
        with(23, &(-1i32).to_be_bytes()),
        BatchError::Offsets { .. }
    ));
    assert!(matches!(
        with(0, &i64::MAX.to_be_bytes()),
        BatchError::Offsets { .. }
    ));
    assert!(matches!(
        with(57, &(-1i32).to_be_bytes()),
        BatchError::RecordCount { .. }
    ));
    assert!(matches!(
        with(57, &4i32.to_be_bytes()),
        BatchError::RecordCount { .. }
    ));
    // A count that fits the offsets, but not the bytes.
    let mut bad = good.clone();
    bad[23..27].copy_from_slice(&999_999i32.to_be_bytes());
    bad[57..61].copy_from_slice(&1_000_000i32.to_be_bytes());
    assert!(matches!(
        BatchView::parse(&bad).unwrap_err(),
        BatchError::RecordCount { .. }
    ));
    // One bit anywhere behind the checksum breaks it.
    for at in 21..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        if let Ok(view) = BatchView::parse(&bad) {
            assert!(
                matches!(view.check_crc(), Err(BatchError::Crc { .. })),
                "byte {at}"
            );
        }
    }
}

#[test]
fn compaction_leaves_gaps() {
    let mut builder = BatchBuilder::new(Compression::None).base_offset(Offset(100));
    builder.append_at(3, 1, Some(b"a"), None, &[]);
    builder.append_at(9, 2, Some(b"b"), None, &[]);
    let bytes = builder.build().unwrap();
    let view = BatchView::parse(&bytes).unwrap();
    assert_eq!(view.header().next_offset(), Offset(110));
    let offsets: Vec<i64> = view.records().unwrap().map(|r| r.unwrap().offset.0).collect();
    assert_eq!(offsets, [103, 109]);
    assert!(matches!(
        view.header().check_from_producer(),
        Err(BatchError::RecordCount { .. })
    ));
}

/// Makes the checksum right again, so that what lies behind it is reached.
fn with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn mutated_batches_never_panic() {
    let mut random = Random(5);
    for (codec, golden) in GOLDEN {
        let golden = hex(golden);
        for cut in 0..golden.len() {
            assert!(read(&golden[..cut]).is_err(), "{codec} cut at {cut}");
            // The same with a length that fits the cut.
            if cut >= BATCH_HEADER_BYTES {
                let mut short = golden[..cut].to_vec();
                short[8..12].copy_from_slice(&(cut as i32 - 12).to_be_bytes());
                let _ = read(&with_crc(short));
            }
        }
        for at in BATCH_HEADER_BYTES..golden.len() {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff, golden[at] ^ 0x40] {
                let mut bad = golden.clone();
                bad[at] = value;
                let _ = read(&with_crc(bad));
            }
        }
        for _ in 0..3000 {
            let mut bad = golden.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(bad.len() as u64) as usize;
                bad[at] = random.next() as u8;
            }
            let _ = read(&with_crc(bad));
        }
    }
    for _ in 0..3000 {
        let mut bytes = random.bytes(300);
        if bytes.len() > 16 {
            bytes[16] = 2;
        }
        let _ = read(&bytes);
        for codec in Compression::ALL {
            if let Ok(out) = compression::decompress(codec, &bytes, 1000) {
                assert!(out.len() <= 1000);
            }
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![0u8; 64 << 20];
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let bomb = compression::compress(codec, &zeros).unwrap();
        assert!(bomb.len() < zeros.len() / 15, "{codec}");
        assert_eq!(
            compression::decompress(codec, &bomb, 100_000),
            Err(CompressionError::TooLarge {
                codec,
                limit: 100_000
            })
        );
    }
    // A raw Snappy block of a few bytes that claims to be nearly as large as the limit is not believed.
    let claim = [0x80, 0x80, 0x80, 0x08, 0x00];
    assert!(matches!(
        compression::decompress(Compression::Snappy, &claim, usize::MAX),
        Err(CompressionError::Failed {
            codec: Compression::Snappy,
            ..
        })
    ));
}

#[test]
fn bytes_behind_the_last_record_are_an_error() {
    let mut bytes = golden_builder(Compression::None).build().unwrap().to_vec();
    bytes[57..61].copy_from_slice(&2i32.to_be_bytes());
    assert!(matches!(
        read(&with_crc(bytes)),
        Err(BatchError::Record { index: 2, .. })
    ));
}
