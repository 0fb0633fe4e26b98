//! Hot path: fetch in the command line, recovery, compaction. The records of a batch, borrowed, no allocation for any.

use super::varint::{take_i32, take_i64};
use super::{BatchError, BatchHeader, TimestampType};
use crate::base::ids::Offset;

/// One record, borrowed from its uncompressed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// In ms since 1970: what the producer gave, or the batch's append time if the topic says so. -1 is "none".
    pub timestamp_ms: i64,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    header_count: i32,
    header_bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record's headers, in order.
    pub fn headers(&self) -> RecordHeaders<'a> {
        RecordHeaders {
            remaining: self.header_count,
            bytes: self.header_bytes,
        }
    }
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// Its name: UTF-8 by the protocol, but nobody checks.
    pub key: &'a [u8],
    /// Its value, if there is one.
    pub value: Option<&'a [u8]>,
}

/// Iterator over the headers of a record. They were checked when the record was read.
#[derive(Clone, Debug)]
pub struct RecordHeaders<'a> {
    remaining: i32,
    bytes: &'a [u8],
}

impl<'a> Iterator for RecordHeaders<'a> {
    type Item = RecordHeader<'a>;

    fn next(&mut self) -> Option<RecordHeader<'a>> {
        if self.remaining <= 0 {
            return None;
        }
        self.remaining -= 1;
        take_header(&mut self.bytes).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining as usize, Some(self.remaining as usize))
    }
}

impl ExactSizeIterator for RecordHeaders<'_> {}

/// Iterator over the records of a batch. Ends after the first error; bytes left over after the last record are one.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    base_offset: Offset,
    last_offset_delta: i32,
    base_timestamp: i64,
    append_time: Option<i64>,
    index: i32,
    record_count: i32,
    bytes: &'a [u8],
}

impl<'a> Records<'a> {
    /// What has not been walked yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records in `payload`, which is uncompressed, of the batch with that header.
    pub fn new(header: &BatchHeader, payload: &'a [u8]) -> Records<'a> {
        Records {
            base_offset: header.base_offset,
            last_offset_delta: header.last_offset_delta,
            base_timestamp: header.base_timestamp,
            append_time: match header.attributes.timestamp_type() {
                TimestampType::CreateTime => None,
                TimestampType::LogAppendTime => Some(header.max_timestamp),
            },
            index: 0,
            record_count: header.record_count,
            bytes: payload,
        }
    }

    fn take_record(&mut self) -> Result<Record<'a>, &'static str> {
        let length = take_i32(&mut self.bytes).ok_or("bad length")?;
        let mut body = take_bytes(&mut self.bytes, length)?.ok_or("negative length")?;
        let _attributes = take_bytes(&mut body, 1)?;
        let timestamp_delta = take_i64(&mut body).ok_or("bad timestamp delta")?;
        let offset_delta = take_i32(&mut body).ok_or("bad offset delta")?;
        if !(0..=self.last_offset_delta).contains(&offset_delta) {
            return Err("offset delta outside the batch");
        }
        let key = take_nullable(&mut body, "bad key length")?;
        let value = take_nullable(&mut body, "bad value length")?;
        let header_count = take_i32(&mut body).ok_or("bad number of headers")?;
        if header_count < 0 {
            return Err("negative number of headers");
        }
        let header_bytes = body;
        for _ in 0..header_count {
            take_header(&mut body)?;
        }
        if !body.is_empty() {
            return Err("longer than its fields");
        }
        Ok(Record {
            offset: self.base_offset.plus(i64::from(offset_delta)),
            timestamp_ms: self
                .append_time
                .unwrap_or(self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            header_count,
            header_bytes,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.index;
        let failure = if index < self.record_count {
            match self.take_record() {
                Ok(record) => {
                    self.index += 1;
                    return Some(Ok(record));
                }
                Err(what) => what,
            }
        } else if self.bytes.is_empty() {
            return None;
        } else {
            "bytes left over after the last record"
        };
        self.record_count = 0;
        self.bytes = &[];
        Some(Err(BatchError::Record { index, what: failure }))
    }
}

impl std::iter::FusedIterator for Records<'_> {}

fn take_header<'a>(bytes: &mut &'a [u8]) -> Result<RecordHeader<'a>, &'static str> {
    let key = take_nullable(bytes, "bad header key length")?.ok_or("header without a key")?;
    let value = take_nullable(bytes, "bad header value length")?;
    Ok(RecordHeader { key, value })
}

fn take_nullable<'a>(bytes: &mut &'a [u8], what: &'static str) -> Result<Option<&'a [u8]>, &'static str> {
    let length = take_i32(bytes).ok_or(what)?;
    take_bytes(bytes, length)
}

fn take_bytes<'a>(bytes: &mut &'a [u8], length: i32) -> Result<Option<&'a [u8]>, &'static str> {
    let Ok(length) = usize::try_from(length) else {
        return Ok(None);
    };
    let (taken, rest) = bytes
        .split_at_checked(length)
        .ok_or("longer than the bytes that are there")?;
    *bytes = rest;
    Ok(Some(taken))
}
