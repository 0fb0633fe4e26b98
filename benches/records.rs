//! What record batches cost: the check of what a producer sent, walking through records, building a batch.

use std::hint::black_box;

use bytes::BytesMut;
use corelane::wire::records::{BatchBuilder, BatchView, Compression};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Sizes of batches that clients send: a record alone, a stock producer's default, and a busy one's.
const SIZES: [(&str, usize, usize); 3] = [
    ("one 100-byte record", 1, 100),
    ("16 KiB", 150, 100),
    ("256 KiB", 256, 1000),
];

fn build(builder: &mut BatchBuilder, records: usize, value: &[u8]) -> BytesMut {
    for _ in 0..records {
        builder.append(1_700_000_000_000, Some(b"key"), Some(value), &[]);
    }
    builder.build().expect("a batch")
}

/// Header and checksum, as each append has them checked, and each read from the disk.
fn check(c: &mut Criterion) {
    for (name, records, value) in SIZES {
        let batch = build(
            &mut BatchBuilder::new(Compression::None),
            records,
            &vec![7; value],
        );
        let mut group = c.benchmark_group("batch check");
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let view = BatchView::parse(black_box(&batch)).expect("a batch");
                view.check_crc().expect("its checksum is right");
                black_box(view.header().record_count)
            });
        });
        group.finish();
    }
}

fn walk(c: &mut Criterion) {
    for (name, records, value) in SIZES {
        let batch = build(
            &mut BatchBuilder::new(Compression::None),
            records,
            &vec![7; value],
        );
        let mut group = c.benchmark_group("batch walk");
        group.throughput(Throughput::Elements(records as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let view = BatchView::parse(black_box(&batch)).expect("a batch");
                black_box(view.records().expect("not compressed").count())
            });
        });
        group.finish();
    }
}

fn make(c: &mut Criterion) {
    for (name, records, value) in SIZES {
        let value = vec![7; value];
        let mut builder = BatchBuilder::new(Compression::None);
        let mut group = c.benchmark_group("batch build");
        group.throughput(Throughput::Bytes((records * value.len()) as u64));
        group.bench_function(name, |b| {
            b.iter(|| build(&mut builder, records, black_box(&value)))
        });
        group.finish();
    }
}

criterion_group!(benches, check, walk, make);
criterion_main!(benches);
