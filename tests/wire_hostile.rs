//! Bytes nobody should send: cut off, changed, made up, with huge lengths and counts, nested as deep as tables go.
//! Reading them never panics, and what it allocates stays a small multiple of what came.

mod wire_values;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use corelane::base::limits::{DECODE_ALLOWANCE_BYTES, MAX_DECODE_EXPANSION};
use corelane::wire::codec::{DecodeErrorKind, Message, Reader};
use corelane::wire::fetch_view::FetchView;
use corelane::wire::header::RequestHeaderView;
use corelane::wire::messages::{DescribeGroupsRequest, MetadataRequest};
use corelane::wire::produce_view::ProduceView;
use wire_values::{Codec, Random, UnknownTags, codecs};

/// The system's allocator, with a count of this thread's bytes.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is going away has nothing left to count with.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps to the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated at the peak of `work`.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before) as usize
}

/// Reads the frame as the message, and holds the allocations to their bound.
fn decode(codec: &Codec, frame: &Bytes, version: i16) -> Result<(), DecodeErrorKind> {
    let mut result = Ok(());
    let peak = peak_of(|| result = (codec.decode)(frame, version).map_err(|e| e.kind));
    let bound = MAX_DECODE_EXPANSION * frame.len() + DECODE_ALLOWANCE_BYTES;
    assert!(
        peak <= bound,
        "{} v{version}: {peak} bytes for {frame:02x?}",
        codec.name
    );
    result
}

#[test]
fn cut_off_at_every_byte() {
    let mut random = Random::new(11);
    for codec in codecs() {
        for version in codec.versions.iter() {
            let bytes = codec.random_bytes(version, UnknownTags::Some, &mut random);
            for end in 0..bytes.len() {
                let cut = decode(&codec, &bytes.slice(..end), version);
                assert!(cut.is_err(), "{} v{version} at {end} of {bytes:02x?}", codec.name);
            }
            let mut longer = bytes.to_vec();
            longer.push(0);
            let trailing = decode(&codec, &longer.into(), version);
            assert_eq!(
                trailing,
                Err(DecodeErrorKind::TrailingBytes(1)),
                "{} v{version}",
                codec.name
            );
        }
    }
}

#[test]
fn huge_lengths_and_counts_everywhere() {
    const HUGE: [&[u8]; 7] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xfe],
        &[0x00, 0x0f, 0x42, 0x40],
        &[0x7f, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    let mut random = Random::new(12);
    for codec in codecs() {
        for version in codec.versions.iter() {
            let bytes = codec.random_bytes(version, UnknownTags::Some, &mut random);
            for huge in HUGE {
                for at in 0..bytes.len() {
                    let mut changed = bytes.to_vec();
                    let end = (at + huge.len()).min(changed.len());
                    changed[at..end].copy_from_slice(&huge[..end - at]);
                    let _ = decode(&codec, &changed.into(), version);
                }
            }
        }
    }
}

#[test]
fn changed_and_made_up_bytes() {
    let mut random = Random::new(13);
    for codec in codecs() {
        for version in codec.versions.iter() {
            for _ in 0..40 {
                let mut changed = codec
                    .random_bytes(version, UnknownTags::Some, &mut random)
                    .to_vec();
                for _ in 0..1 + random.below(4) {
                    if !changed.is_empty() {
                        let at = random.below(changed.len());
                        match random.below(4) {
                            0 => changed[at] = random.next() as u8,
                            1 => changed[at] ^= 1 << random.below(8),
                            2 => drop(changed.remove(at)),
                            _ => changed.insert(at, random.next() as u8),
                        }
                    }
                }
                let _ = decode(&codec, &changed.into(), version);
                let count = random.below(300);
                let _ = decode(&codec, &random.bytes(count).into(), version);
            }
        }
    }
}

/// Frames of one repeated byte make every count and every length the same: arrays in arrays as deep as it goes,
/// of elements as small as they get.
#[test]
fn nested_as_deep_as_tables_go() {
    for codec in codecs() {
        for version in codec.versions.iter() {
            for byte in 0..=255u8 {
                for count in [1, 50, 700] {
                    let _ = decode(&codec, &vec![byte; count].into(), version);
                }
            }
            // A large array of the smallest elements at each place an array may be.
            for at in 0..24 {
                let mut frame = vec![0; 20_000];
                frame[at..at + 4].copy_from_slice(&4_000u32.to_be_bytes());
                let _ = decode(&codec, &frame.clone().into(), version);
                frame[at..at + 4].copy_from_slice(&[0xa0, 0x9f, 1, 0]);
                let _ = decode(&codec, &frame.into(), version);
            }
        }
    }
}

#[test]
fn the_five_bytes_that_abort_others() {
    let frame = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0x00]);
    let peak = peak_of(|| {
        let error = MetadataRequest::from_bytes(&frame, 0).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::TooManyElements(0x7fff_ffff));
    });
    assert_eq!(peak, 0);
}

#[test]
fn an_array_of_empty_strings_is_held_to_the_account() {
    // A million strings of one byte each would be 24 MB in memory.
    let mut frame = vec![0xc1, 0x84, 0x3d];
    frame.resize(3 + 1_000_000 + 2, 1);
    let frame = Bytes::from(frame);
    let peak = peak_of(|| {
        let error = DescribeGroupsRequest::from_bytes(&frame, 5).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::ExpandsTooMuch);
    });
    assert!(peak < 1000, "{peak}");
    // Names of one character each are an honest request.
    let groups = DescribeGroupsRequest {
        groups: vec!["g".to_owned(); 100_000],
        ..DescribeGroupsRequest::default()
    };
    let frame = groups.to_bytes(5).unwrap();
    let peak = peak_of(|| drop(DescribeGroupsRequest::from_bytes(&frame, 5).unwrap()));
    assert_eq!(peak, groups.groups.len() * (size_of::<String>() + 1));
}

#[test]
fn views_allocate_nothing_whatever_comes() {
    let codecs = codecs();
    let mut random = Random::new(14);
    for name in ["ProduceRequest", "FetchRequest"] {
        let codec = codecs.iter().find(|codec| codec.name == name).unwrap();
        for version in codec.versions.iter() {
            for round in 0..400 {
                let mut frame = codec
                    .random_bytes(version, UnknownTags::Some, &mut random)
                    .to_vec();
                for _ in 0..round % 4 {
                    let at = random.below(frame.len());
                    frame[at] = random.next() as u8;
                }
                let mut read = Ok(());
                let peak = peak_of(|| {
                    let mut r = Reader::of_slice(&frame);
                    read = match name {
                        "ProduceRequest" => ProduceView::read(&mut r, version).map(|view| {
                            let records = view.partitions().filter_map(|partition| partition.records);
                            assert_eq!(
                                records.map(|range| frame[range].len()).sum::<usize>(),
                                view.records_bytes
                            );
                            assert_eq!(view.partitions().count(), view.partition_count);
                        }),
                        _ => FetchView::read(&mut r, version).map(|view| {
                            assert_eq!(view.partitions().count(), view.partition_count);
                            view.forgotten().for_each(drop);
                        }),
                    };
                });
                assert_eq!(peak, 0);
                let plain = (codec.decode)(&frame.clone().into(), version);
                if plain.is_ok() {
                    assert_eq!(read, Ok(()), "{name} v{version}: {frame:02x?}");
                }
            }
        }
    }
}

#[test]
fn headers_of_made_up_bytes() {
    let mut random = Random::new(15);
    for _ in 0..20_000 {
        let count = random.below(40);
        let mut bytes = random.bytes(count);
        if let [_, key, _, version, ..] = bytes.as_mut_slice() {
            (*key, *version) = (*key % 96, *version % 16);
            bytes[0] = 0;
            bytes[2] = 0;
        }
        let peak = peak_of(|| {
            let _ = RequestHeaderView::read(&mut Reader::of_slice(&bytes));
        });
        assert_eq!(peak, 0);
    }
}
