//! A record batch where it lies.

use std::borrow::Cow;

use super::batch_header::ATTRIBUTES_AT;
use super::{BATCH_HEADER_BYTES, BatchError, BatchHeader, Compression, Records, compression};

/// One whole batch, borrowed. Its header holds together; its checksum and its records have not been looked at.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The batch at the beginning of `bytes`; more may follow it. Errors: those of `BatchHeader::parse`, and `Partial`.
    pub fn parse(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        match bytes.get(..header.size_bytes()) {
            Some(bytes) => Ok(BatchView { header, bytes }),
            None => Err(BatchError::Partial {
                have: bytes.len(),
                needed: header.size_bytes(),
            }),
        }
    }

    /// The header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch, header and records.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records as stored: compressed if the attributes say so.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[BATCH_HEADER_BYTES..]
    }

    /// The codec of the records.
    pub fn compression(&self) -> Compression {
        // The header was checked when the view was made.
        self.header.attributes.compression().expect("checked by parse")
    }

    /// Computes the CRC-32C and compares it. Error: `Crc`.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(&self.bytes[ATTRIBUTES_AT..]);
        if computed == self.header.crc {
            Ok(())
        } else {
            Err(BatchError::Crc {
                stored: self.header.crc,
                computed,
            })
        }
    }

    /// The records of an uncompressed batch, without any allocation. Error: `Compressed`.
    pub fn records(&self) -> Result<Records<'a>, BatchError> {
        if self.compression().is_none() {
            Ok(Records::new(&self.header, self.payload()))
        } else {
            Err(BatchError::Compressed)
        }
    }

    /// Makes the records readable whatever the codec: decompressed to at most `limit` bytes, borrowed if there is
    /// nothing to decompress. Errors: `Compression`; `RecordCount` if the records cannot be that many.
    pub fn open(&self, limit: usize) -> Result<OpenBatch<'a>, BatchError> {
        let payload = match self.compression() {
            Compression::None => Cow::Borrowed(self.payload()),
            codec => Cow::Owned(compression::decompress(codec, self.payload(), limit)?),
        };
        OpenBatch::of(&self.header, payload)
    }
}

/// A batch whose records can be read.
#[derive(Clone, Debug)]
pub struct OpenBatch<'a> {
    header: BatchHeader,
    payload: Cow<'a, [u8]>,
}

impl<'a> OpenBatch<'a> {
    fn of(header: &BatchHeader, payload: Cow<'a, [u8]>) -> Result<OpenBatch<'a>, BatchError> {
        if header.record_count as usize > payload.len() / super::MIN_RECORD_BYTES {
            return Err(BatchError::RecordCount {
                record_count: header.record_count,
                last_offset_delta: header.last_offset_delta,
            });
        }
        Ok(OpenBatch {
            header: *header,
            payload,
        })
    }

    /// A batch of that header with its records, decompressed. Error: `RecordCount` if they cannot be that many.
    pub(super) fn of_payload(header: &BatchHeader, payload: Vec<u8>) -> Result<OpenBatch<'a>, BatchError> {
        OpenBatch::of(header, Cow::Owned(payload))
    }

    /// The header, as stored: its attributes name the codec the records had.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records, uncompressed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Walks the records.
    pub fn records(&self) -> Records<'_> {
        Records::new(&self.header, &self.payload)
    }
}
